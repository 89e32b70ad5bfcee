/**
 * A schema of any library that implements Standard Schema, such as Zod, Valibot or ArkType.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** The interface for consumers of schemas. */
  readonly '~standard': {
    /** Version of the specification. */
    readonly version: 1;
    /** Name of the library. */
    readonly vendor: string;
    /** Checks a value, and may convert it. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Only for the compiler. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
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

/** The values that a schema accepts. */
export type SchemaInput<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['input'];

/** The values that a schema returns. */
export type SchemaOutput<Schema extends StandardSchema> = NonNullable<Schema['~standard']['types']>['output'];

const MAX_PATHS = 5;
const MAX_PATH_LENGTH = 60;
const WHOLE = 'the value as a whole';

/** The paths of issues, such as `items[0].price`. Not their messages, which may quote values. Never throws. */
export function pathsOf(issues: readonly SchemaIssue[]): string {
  try {
    const paths = issues.length === 0 ? [WHOLE] : [...new Set(issues.map(({ path }) => pathText(path)))];
    const rest = paths.length - MAX_PATHS;
    return paths.slice(0, MAX_PATHS).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
  } catch {
    return 'unreadable';
  }
}

function pathText(path: SchemaIssue['path']): string {
  let text = '';
  for (const part of path ?? []) {
    const key = typeof part === 'object' ? part.key : part;
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? String(key) : `.${String(key)}`;
    // A record may have names of users, of any length and number.
    if (text.length > MAX_PATH_LENGTH) return `${text.slice(0, MAX_PATH_LENGTH)}…`;
  }
  return text === '' ? WHOLE : text;
}
