import { inspect } from 'node:util';

/** The API key of all tests. */
export const KEY = 'phc_test_key_0123456789';
/** A key in PostHog's format, for tests of options. */
export const PROJECT_KEY = 'phc_Zx9KqLw3RtVb7NmAs5DfGh2JkPoIuYtReWqZxCvBnM1';
/** A property of every event that the harness captures. */
export const CANARY = 'canary-in-every-event';

const SECRETS = [KEY, PROJECT_KEY, CANARY];
const leaks: string[] = [];

/** Searches for secrets in output that people or application code can see: a log line, an error, a report. */
export function watch(where: string, shown: unknown, secrets: readonly string[] = SECRETS): void {
  const text = typeof shown === 'string' ? shown : `${inspect(shown, { depth: 8, showHidden: true })}${jsonOf(shown)}`;
  for (const secret of secrets) {
    const at = text.indexOf(secret);
    if (at !== -1) leaks.push(`${where}: ${text.slice(Math.max(0, at - 80), at + secret.length + 20)}`);
  }
}

/** Throws if `watch` has found a secret. */
export function expectNoLeak(): void {
  const seen = leaks.splice(0);
  if (seen.length > 0) throw new Error(`an API key or a payload leaked:\n${seen.join('\n')}`);
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return '';
  }
}
