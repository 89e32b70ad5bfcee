import { fieldOf } from '../shared/untrusted-values.js';
import { type SchemaIssue, type StandardSchema } from './standard-schema.js';

const MAX_NAMED = 5;
const MAX_PATH = 100;

/** Either the valid value, or the problem, which quotes no values. */
export type CheckedPayload<T> = { readonly value: T } | { readonly problem: string };

/** Checks a payload with a schema. Never rejects. */
export async function checkPayload<T>(payload: unknown, schema: StandardSchema<T>): Promise<CheckedPayload<T>> {
  try {
    const result = await schema['~standard'].validate(payload);
    return result.issues === undefined ? { value: result.value } : { problem: problemOf(result.issues) };
  } catch {
    const isSchema = typeof fieldOf(fieldOf(schema, '~standard'), 'validate') === 'function';
    return { problem: isSchema ? 'its schema threw' : 'schema is no Standard Schema' };
  }
}

function problemOf(issues: readonly SchemaIssue[]): string {
  const paths = [...new Set(issues.map(pathOf))];
  const more = paths.length > MAX_NAMED ? ` and ${paths.length - MAX_NAMED} more` : '';
  return `it does not match its schema at ${paths.slice(0, MAX_NAMED).join(', ')}${more}`;
}

function pathOf({ path = [] }: SchemaIssue): string {
  const keys = path.map((part) => String(typeof part === 'object' ? part.key : part));
  return keys.length === 0 ? 'the top' : JSON.stringify(keys.join('.').slice(0, MAX_PATH));
}
