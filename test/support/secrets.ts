import { inspect } from 'node:util';

/** The key of all tests. */
export const KEY = 'phc_test_key_0123456789';
/** A key in PostHog's shape, for the tests of options. */
export const PROJECT_KEY = 'phc_Zx9KqLw3RtVb7NmAs5DfGh2JkPoIuYtReWqZxCvBnM1';
/** Stands in the properties of every event that the harness' applications capture. */
export const CANARY = 'canary-that-stands-in-every-event';

const SECRETS = [KEY, PROJECT_KEY, CANARY];
/** Where a secret was seen since the last look. */
const leaks: string[] = [];

/** Looks for a secret in what a person or the application's code gets to see: a line, an error, a report. */
export function watch(where: string, shown: unknown, secrets: readonly string[] = SECRETS): void {
  const text = typeof shown === 'string' ? shown : `${inspect(shown, { depth: 8, showHidden: true })}${jsonOf(shown)}`;
  for (const secret of secrets) {
    const at = text.indexOf(secret);
    if (at !== -1) leaks.push(`${where}: ${text.slice(Math.max(0, at - 80), at + secret.length + 20)}`);
  }
}

/** Fails when a secret was seen. */
export function expectNoLeak(): void {
  const seen = leaks.splice(0);
  if (seen.length > 0) throw new Error(`the key or a payload was shown:\n${seen.join('\n')}`);
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return '';
  }
}
