/** Help text of `events`, for all its actions. */
export const EVENTS_USAGE = `Write the catalog of the events that an application defines, and compare it with a project.

Usage: posthog-capture events list --from dist/events.js [flags]
       posthog-capture events pull --from dist/events.js [flags]
       posthog-capture events push --from dist/events.js [flags]

  --from FILE       Compiled module, ESM or CommonJS, that exports results of defineEvent, or classes with @Event. May be repeated.

list   Write the catalog. Needs no key
  --format FORMAT   markdown, json or json-schema (default: markdown)
  --output FILE     Write to a file instead of standard output
  --check FILE      Compare with a file, and exit with 1 if it differs, for CI

pull   Print the differences between the definitions and a project. Changes nothing
  --check           Exit with 1 if there are any
  --project ID      Number of the project (default: POSTHOG_CLI_PROJECT_ID)
  --host URL        Address of PostHog's app (default: POSTHOG_CLI_HOST, else https://us.posthog.com)

push   Experimental: write the definitions into a project. Changes only these events, and one property group for each, "code: <event>"
  --dry-run         Print the changes, and make none
  --enforce         Let PostHog reject events that break their definition. Without it, enforcement stays as it is
  --project ID, --host URL

Set a personal API key (phx_…) with POSTHOG_CLI_API_KEY, in the environment or in a .env file in the current directory. Scope:
event_definition:read for pull and --dry-run, event_definition:write for push. There is no flag for the key: other users of the machine
can see the flags of a process.

Exit codes:
  0    Done, or nothing differs
  1    There are differences (--check), or PostHog refused a request or could not be reached
  2    Wrong usage
  130  Interrupted
`;
