import { isObject } from '../shared/untrusted-values.js';

/** Settings of axios that JSON can represent. Agents and functions cannot be given to another process. */
const PORTABLE = ['family', 'headers', 'insecureHTTPParser', 'proxy', 'socketPath'];

/** The part of option `http` that another process can use; undefined if there is none. Never throws. */
export function portableSettings(http: unknown): Record<string, unknown> | undefined {
  if (!isObject(http)) return undefined;
  try {
    const given = Object.entries(http).filter(([name, value]) => PORTABLE.includes(name) && value !== undefined);
    if (given.length === 0) return undefined;
    return JSON.parse(JSON.stringify(Object.fromEntries(given))) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
