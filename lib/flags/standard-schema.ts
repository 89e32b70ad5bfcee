/**
 * A schema of any library that implements Standard Schema, such as Zod, Valibot or ArkType.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema<Output = unknown> {
  /** The interface for consumers of schemas. */
  readonly '~standard': {
    /** Version of the specification. */
    readonly version: 1;
    /** Name of the library. */
    readonly vendor: string;
    /** Checks a value, and may convert it. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Only for the compiler. */
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** Without `issues`, the value is valid. */
export type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

/** A problem with a part of the value. */
export interface SchemaIssue {
  /** In words of the library; may quote the value. */
  readonly message: string;
  /** From the outermost field to the innermost. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}
