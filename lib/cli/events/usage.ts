/** Help text of `events`, for all its actions. */
export const EVENTS_USAGE = `Write the catalog of the events that an application defines.

Usage: posthog-capture events list --from dist/events.js [flags]

  --from FILE       Compiled module, ESM or CommonJS, that exports results of defineEvent, or classes with @Event. May be repeated.
  --format FORMAT   markdown, json or json-schema (default: markdown)
  --output FILE     Write to a file instead of standard output
  --check FILE      Compare with a file, and exit with 1 if it differs, for CI

Exit codes:
  0    Done, or nothing differs
  1    The file of --check differs from the definitions
  2    Wrong usage
  130  Interrupted
`;
