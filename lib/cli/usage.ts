/** The help of the program. */
export const USAGE = `Sends events to PostHog, and shows what applications would send.

Usage: posthog-capture <command> [flags]

  run      send one event and print PostHog's answer as JSON
  import   send a file of events
  listen   be a local PostHog that shows each event as it arrives

  posthog-capture <command> --help   says more about a command
  posthog-capture --version          prints the version
`;

/** The help of `posthog-capture run`. */
export const RUN_USAGE = `Sends one event to PostHog and prints the answer as one line of JSON on standard output.

Usage: posthog-capture run --event page_view --distinct-id user_123 [flags]
       posthog-capture run --input job.json [flags]

  --event NAME          what happened
  --distinct-id ID      who did it
  --properties JSON     an object that describes it: --properties '{"plan":"pro"}'
  --timestamp TIME      when, in ISO 8601; without an offset it is UTC (default: now)
  --uuid UUID           the event's own id, so that sending it twice stores it once (default: a new one)
  --input FILE          reads the event from a JSON file, or from standard input with -
                        {"event":"page_view","distinct_id":"user_123","properties":{"path":"/"}}
                        A flag wins over the same field of the file.
  --host URL            where PostHog is (default: POSTHOG_HOST, else https://us.posthog.com)

The project API key comes from POSTHOG_API_KEY, in the environment or in a .env file of the current folder, as do
the other POSTHOG_* settings. It is no flag, because other users of a machine can read the flags of a program.

Exit code: 0 PostHog has the event, 1 PostHog refused it or could not be reached, 2 wrong usage: nothing was sent,
130 interrupted before there was an answer.
`;

/** The help of `posthog-capture import`. */
export const IMPORT_USAGE = `Sends a file of events to PostHog, one JSON object a line, whatever the size of the file.

Usage: posthog-capture import events.ndjson [flags]

  {"event":"page_view","distinct_id":"user_123","timestamp":"2026-01-31T12:00:00Z","properties":{"path":"/"}}

  --historical-migration   tells PostHog that these are old events, which it takes apart from new ones
  --dry-run                checks every line and sends nothing; needs no key
  --resume                 goes on where an import of the same file was interrupted
  --concurrency N          requests in flight (default: POSTHOG_CONCURRENCY, else 4)
  --rejects FILE           where bad lines are reported, as {"line":7,"reason":"…"} (default: FILE.rejects.ndjson);
                           replaces the reports of an earlier import, and no file that holds anything else
  --host URL               where PostHog is (default: POSTHOG_HOST, else https://us.posthog.com)

How far it came is kept in FILE.import-state.json until all is done. An event without a uuid gets one that the number and the
text of its line decide, so a line that is sent twice is stored once, also from another file: files that may have the same line
at the same place are imported as one (cat *.ndjson > all). An event without a timestamp has that of the beginning of the
import; begun anew on another day it is another event.

The last line on standard output says what became of the lines. Progress is on standard error.

Exit code: 0 PostHog has every line, 1 some lines are in the file of rejects, or PostHog could not be reached, refuses the key
or has no quota left for the project: --resume goes on, 2 wrong usage: nothing was sent, 130 interrupted: --resume goes on.
`;

/** The help of `posthog-capture listen`. */
export const LISTEN_USAGE = `Is a local PostHog on 127.0.0.1: prints each event as it arrives and shows them all on a page. Ctrl-C ends it.

Usage: posthog-capture listen [flags]

  --port PORT       where to listen; 0 takes a free port (default: 8010)
  --api-key KEY     the only key to accept; others are answered 401 (default: any)

Requests that PostHog would refuse, and what it would lose or change in silence, are printed as well.
`;
