import { FakePostHog, type StoredEvent } from '../testing/index.js';
import { parseFlags, textOf } from './flags.js';
import { errorText, EXIT, printable, type Terminal, UsageError } from './terminal.js';

export const LISTEN_USAGE = `Usage: posthog-capture listen [--port 8010] [--api-key KEY]

A PostHog of your own on this machine: prints each event as it arrives, and shows them on a page.

  --port PORT      default: 8010
  --api-key KEY    the only key that is accepted (default: any)

Exit code: 0 when stopped, 2 the call was wrong.`;

const DEFAULT_PORT = '8010';

/** Runs a local PostHog until it is told to stop. */
export async function listenCommand(
  args: readonly string[],
  terminal: Terminal,
  stopped = signalled(),
): Promise<number> {
  const flags = parseFlags(args, ['port', 'api-key']);
  if (flags.help) {
    terminal.out(LISTEN_USAGE);
    return EXIT.ok;
  }
  const posthog = await start(portOf(textOf(flags.port) ?? DEFAULT_PORT), textOf(flags['api-key']));
  terminal.out(`Local PostHog: ${posthog.url} (events on that page)`);
  terminal.out(
    `Point an application at it: POSTHOG_HOST=${posthog.url} POSTHOG_API_KEY=${posthog.apiKey === null ? 'phc_local' : 'your key'}`,
  );
  terminal.out('Stop with Ctrl-C.');
  let violations = 0;
  posthog.onEvent((event) => {
    for (const { rule, detail } of posthog.violations.slice(violations))
      terminal.err(printable(`refused or altered (${rule}): ${detail}`));
    violations = posthog.violations.length;
    terminal.out(lineOf(event));
  });
  await stopped;
  await posthog.close();
  return EXIT.ok;
}

function lineOf({ event, distinct_id, properties, receivedAt }: StoredEvent): string {
  const time = new Date(receivedAt).toISOString().slice(11, 23);
  return `${time}  ${printable(event, 60)}  ${printable(distinct_id, 60)}  ${printable(JSON.stringify(properties), 300)}`;
}

async function start(port: number, apiKey: string | undefined): Promise<FakePostHog> {
  try {
    return await FakePostHog.start({ port, apiKey });
  } catch (error) {
    const code = errorText(error, 'code');
    if (code === 'EADDRINUSE') throw new UsageError(`--port: ${port} is taken; choose another`);
    if (code !== '') throw new UsageError(`--port: ${port} cannot be used (${code})`);
    throw error;
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new UsageError('--port must be a number from 0 to 65535');
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve());
  });
}
