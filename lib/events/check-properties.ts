import { types } from 'node:util';
import { pathsOf, type SchemaResult, type StandardSchema } from '../shared/standard-schema.js';
import { fieldOf, isObject, setOwn } from '../shared/untrusted-values.js';

type Properties = Readonly<Record<string, unknown>>;

/** The properties that a schema returned, or the problem, which contains no values. */
export type CheckedProperties =
  { readonly ok: true; readonly properties: Properties } | { readonly ok: false; readonly problem: string };

/** Zod checks a second time, asynchronously, if a check throws. */
const ASYNCHRONOUS =
  'the schema returned a promise, and capture() cannot wait for it: it has an asynchronous check, or a check that throws';

const DOLLAR = 36;
const isReserved = (name: string): boolean => name.charCodeAt(0) === DOLLAR;

/** Returns a check of the properties against a schema. PostHog's own properties (`$set`, `$current_url`, …) are allowed beside it. */
export function checkAgainst({ '~standard': standard }: StandardSchema): (properties: Properties) => CheckedProperties {
  return (properties) => {
    let result: unknown;
    let reserved: Record<string, unknown> | null;
    try {
      reserved = reservedOf(properties);
      result = standard.validate(reserved === null ? properties : withoutReserved(properties));
    } catch {
      return refused('the schema threw');
    }
    if (types.isPromise(result) || typeof fieldOf(result, 'then') === 'function') {
      Promise.resolve(result).catch(() => undefined);
      return refused(ASYNCHRONOUS);
    }
    // Not isObject: the errors of ArkType are an array.
    if (typeof result !== 'object' || result === null) return refused('the schema returned no result');
    const { issues, value } = result as Partial<SchemaResult<unknown>> & { readonly value?: unknown };
    if (issues !== undefined) return refused(pathsOf(issues));
    if (!isObject(value)) return refused('the schema must return an object');
    return { ok: true, properties: reserved === null ? value : { ...value, ...reserved } };
  };
}

export const refused = (problem: string): CheckedProperties => ({ ok: false, problem });

/** null, in most cases, if there are none. */
export function reservedOf(properties: Properties): Record<string, unknown> | null {
  let reserved: Record<string, unknown> | null = null;
  for (const name of Object.keys(properties)) if (isReserved(name)) (reserved ??= {})[name] = properties[name];
  return reserved;
}

export function withoutReserved(properties: Properties): Record<string, unknown> {
  const rest: Record<string, unknown> = {};
  for (const name of Object.keys(properties)) if (!isReserved(name)) setOwn(rest, name, properties[name]);
  return rest;
}
