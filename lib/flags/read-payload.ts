import { pathsOf, type StandardSchema } from '../shared/standard-schema.js';
import { fieldOf } from '../shared/untrusted-values.js';

/** Either the valid value, or the problem, which quotes no values. */
export type CheckedPayload<T> = { readonly value: T } | { readonly problem: string };

/** Checks a payload with a schema. Never rejects. */
export async function checkPayload<T>(
  payload: unknown,
  schema: StandardSchema<unknown, T>,
): Promise<CheckedPayload<T>> {
  try {
    const result = await schema['~standard'].validate(payload);
    return result.issues === undefined
      ? { value: result.value }
      : { problem: `it does not match its schema: ${pathsOf(result.issues)}` };
  } catch {
    const isSchema = typeof fieldOf(fieldOf(schema, '~standard'), 'validate') === 'function';
    return { problem: isSchema ? 'its schema threw' : 'schema is no Standard Schema' };
  }
}
