/** Help texts. */
export const USAGE = `Send events to PostHog, or see the events that applications would send.

Usage: posthog-capture <command> [flags]

  run         Send one event and print the result as JSON
  import      Send a file of events
  listen      Run a local PostHog that shows each event as it arrives
  relay       Send the events that applications put into a shared queue or an outbox
  events      Write or check the catalog of the events that an application defines
  outbox-sql  Print the SQL that creates the table of an outbox
  init        Set up the package in a Nest application

  posthog-capture <command> --help   Show help for a command
  posthog-capture --version          Print the version
`;

export const RUN_USAGE = `Send one event to PostHog and print the result as one line of JSON on standard output.

Usage: posthog-capture run --event page_view --distinct-id user_123 [flags]
       posthog-capture run --input job.json [flags]

  --event NAME          Event name
  --distinct-id ID      The person who triggered the event
  --properties JSON     Event properties as a JSON object: --properties '{"plan":"pro"}'
  --timestamp TIME      Time of the event in ISO 8601; UTC if it has no offset (default: now)
  --uuid UUID           Event id. PostHog stores an event that is sent twice with the same id once (default: a new id)
  --input FILE          Read the event from a JSON file, or from standard input with -
                        {"event":"page_view","distinct_id":"user_123","properties":{"path":"/"}}
                        A flag overrides the same field in the file.
  --host URL            PostHog host (default: POSTHOG_HOST, else https://us.posthog.com)

Set the project API key with POSTHOG_API_KEY, in the environment or in a .env file in the current directory. The other POSTHOG_*
settings are read the same way. There is no flag for the key: other users of the machine can see the flags of a process.

Exit codes:
  0    PostHog accepted the event
  1    PostHog refused the event or could not be reached
  2    Wrong usage; nothing was sent
  130  Interrupted before PostHog responded
`;

export const IMPORT_USAGE = `Send a file of events to PostHog. The file has one JSON object per line, may be compressed with gzip, and may be of any size.

Usage: posthog-capture import events.ndjson [flags]

  {"event":"page_view","distinct_id":"user_123","timestamp":"2026-01-31T12:00:00Z","properties":{"path":"/"}}

Use - instead of a file name to read standard input.

  --historical-migration   Tell PostHog that these are old events, so that it ingests them separately from live events
  --dry-run                Check every line and send nothing; needs no API key
  --from PRODUCT           Read an export of mixpanel, amplitude or segment: see docs/import.md
  --resume                 Continue an interrupted import of the same file
  --concurrency N          Maximum number of requests in flight (default: POSTHOG_CONCURRENCY, else 4)
  --rejects FILE           Report file for rejected lines, as {"line":7,"reason":"…"} (default: FILE.rejects.ndjson).
                           Overwrites the report of an earlier import, but no other file.
  --host URL               PostHog host (default: POSTHOG_HOST, else https://us.posthog.com)

Progress is saved in FILE.import-state.json until the import is complete.

An event without a uuid gets one derived from its line number and text, so a line that is sent twice is stored once. This also applies
across files: if two files can have the same line at the same position, import them as one file (cat *.ndjson > all). An event without a
timestamp gets the start time of the import, so importing it again later stores another event; --resume keeps the start time.

The last line on standard output is a summary as JSON. Progress and warnings are printed on standard error.

Exit codes:
  0    PostHog accepted every line
  1    Some lines were rejected (see the report file), or PostHog could not be reached, refused the API key, or the project is over
       its quota. Continue with --resume.
  2    Wrong usage; nothing was sent
  130  Interrupted. Continue with --resume.
`;

export const LISTEN_USAGE = `Run a local PostHog on 127.0.0.1 that prints each event as it arrives and shows all events on a page.
Press Ctrl-C to stop it.

Usage: posthog-capture listen [flags]

  --port PORT       Port to listen on; 0 picks a free port (default: 8010)
  --api-key KEY     Accept only this key and respond to others with 401 (default: any key)

It also prints requests that PostHog would refuse, and data that PostHog would drop or change silently.
`;

export const RELAY_USAGE = `Send the events that applications put into a shared queue (option queue, or POSTHOG_QUEUE_URL) or an outbox to PostHog.
Several relays of one project share the events of its queue; of those of an outbox, one is active and the others stand by. Stop it with
Ctrl-C or SIGTERM: another relay goes on at once.

Usage: posthog-capture relay [flags]

  --queue URL          Redis that has the queue, such as rediss://redis:6379/0 (default: POSTHOG_QUEUE_URL). A URL with a password
                       belongs into the variable: other users of the machine can see the flags of a process.
  --outbox URL         Database that has the outbox: postgres://app@db/shop (needs pg) or mysql://app@db/shop (needs mysql2)
                       (default: POSTHOG_OUTBOX_URL, where a URL with a password belongs). With a queue as well, the events are
                       put into the queue, and other relays send them.
  --outbox-table NAME  Table of the outbox, or schema.table (default: posthog_outbox)
  --project NAME       Name of the project in the queue, if the applications have set one (default: derived from host and key)
  --health-port PORT   Serve /live and /ready as JSON on this port, for the probes of Kubernetes (default: no server)

Set the project API key with POSTHOG_API_KEY, in the environment or in a .env file in the current directory. It must be that of the
applications, and so must POSTHOG_HOST. The other POSTHOG_* settings are read the same way.

Exit codes:
  0    Stopped by a signal
  2    Wrong usage; nothing was taken from the queue or the outbox
`;

export const OUTBOX_SQL_USAGE = `Print the SQL statements that create the tables of an outbox (nestjs-posthog-capture/outbox), for a migration.
Nothing is connected or changed.

Usage: posthog-capture outbox-sql --dialect postgres [flags]

  --dialect NAME   postgres, mysql (also for MariaDB), or sqlite
  --table NAME     Name of the table, or schema.table (default: posthog_outbox)
  --down           Print the statements that remove the tables, with the events in them

In migrations in TypeScript, OUTBOX_SQL of nestjs-posthog-capture/outbox has the same statements.

Exit codes:
  0    The statements were printed
  2    Wrong usage
`;

export const INIT_USAGE = `Set up nestjs-posthog-capture in the Nest application in the current folder, like nest add.

Usage: posthog-capture init [flags]

  --source-root DIR   Folder of main.ts (default: sourceRoot in nest-cli.json, else src)
  --dry-run           Show what would change, and change nothing
  --skip-install      Change package.json without installing the packages

It adds the package and its peers to package.json, PostHogCaptureModule.forRoot() to the root module,
app.enableShutdownHooks() to main.ts, and the variables to .env.example. It does not change what is already there.

Exit codes:
  0    Everything is set up
  1    A step is left to you (it is printed), or the installation failed
  2    Wrong usage; nothing was changed
`;
