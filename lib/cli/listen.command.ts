import { types } from 'node:util';
import { FakePostHog } from '../testing/fake-posthog/fake-posthog.js';
import { type RecordedRequest, type StoredEvent } from '../testing/fake-posthog/recorded.js';
import { type Flags } from './flags.js';
import { aborted, cut, EXIT, printable, type Terminal, UsageError } from './terminal.js';

const DEFAULT_PORT = '8010';
const MAX_REMEMBERED = 10_000;
/** Minimum and maximum width of an event name or a distinct id. */
const NAME_COLUMNS = 20;
const MAX_NAME_COLUMNS = 48;

/** Properties that this library adds to every event. */
const HIDDEN_PROPERTIES = ['$lib', '$lib_version', '$is_server', '$geoip_disable'];

/**
 * `posthog-capture listen`: runs a local PostHog until the terminal's signal is aborted, and prints each event.
 *
 * @throws UsageError if the port is invalid, in use or not allowed
 */
export async function listen(values: Flags['values'], terminal: Terminal): Promise<number> {
  const port = readPort(values.get('port') ?? DEFAULT_PORT);
  const apiKey = values.get('api-key');
  const posthog = await start(port, apiKey);
  const print = (line: string): void => terminal.out(`${cut(printable(line), terminal.columns)}\n`);
  terminal.out(greeting(posthog.url, apiKey === undefined ? 'phc_local' : '<your --api-key>'));
  posthog.onEvent((event) => print(describeEvent(event)));
  watchRefusals(posthog, (refusal, receivedAt) => print(`${clock(receivedAt)}  ${refusal}`));
  await aborted(terminal.signal);
  await posthog.close();
  return EXIT.ok;
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`--port must be a number from 0 to 65535, not "${cut(text, 20)}"`);
}

async function start(port: number, apiKey: string | undefined): Promise<FakePostHog> {
  try {
    const options = { port, maxRemembered: MAX_REMEMBERED };
    return await FakePostHog.start(apiKey === undefined ? options : { ...options, apiKey });
  } catch (error) {
    const code = types.isNativeError(error) && 'code' in error ? error.code : '';
    const remedy = 'choose another port with --port, or a free one with --port 0';
    if (code === 'EADDRINUSE') throw new UsageError(`port ${port} is already in use: ${remedy}`);
    if (code === 'EACCES') throw new UsageError(`no permission to listen on port ${port}: ${remedy}`);
    throw error;
  }
}

function greeting(url: string, key: string): string {
  return `Local PostHog listening on ${url}. Events appear here and on the page ${url}/

Start your application with:

  POSTHOG_HOST=${url} POSTHOG_API_KEY=${key}

Press Ctrl-C to stop.

`;
}

function describeEvent({ event, distinct_id: distinctId, properties, receivedAt }: StoredEvent): string {
  const name = column(event);
  const shown = Object.entries(properties).filter(([key]) => !HIDDEN_PROPERTIES.includes(key));
  const isOwn = ([key]: [string, unknown]): boolean => !key.startsWith('$');
  const ordered = Object.fromEntries([...shown.filter(isOwn), ...shown.filter((entry) => !isOwn(entry))]);
  return `${clock(receivedAt)}  ${name}  ${column(distinctId)}  ${JSON.stringify(ordered)}`;
}

function column(text: string): string {
  return cut(printable(text), MAX_NAME_COLUMNS).padEnd(NAME_COLUMNS);
}

function clock(epochMs: number): string {
  return new Date(epochMs).toTimeString().slice(0, 8);
}

/** Longest delay of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Calls `listener` once for each request that was refused or violated a rule of PostHog's API, with a one-line description, until the
 * server is closed.
 */
function watchRefusals(posthog: FakePostHog, listener: (refusal: string, receivedAt: number) => void): void {
  const open = new Set<RecordedRequest>();
  let next = 0;
  const check = (): boolean => {
    for (let at = posthog.requests.length - 1; at >= 0; at--) {
      const request = posthog.requests[at];
      if (request === undefined || request.index < next) break;
      open.add(request);
    }
    next = (posthog.requests.at(-1)?.index ?? next - 1) + 1;
    for (const request of open) {
      if (request.status === null && !request.aborted) continue;
      open.delete(request);
      const refusal = describeRefusal(request, posthog);
      if (refusal !== null) listener(refusal, request.receivedAt);
    }
    return false;
  };
  // The condition is never true; waitFor evaluates it after every change.
  posthog.waitFor(check, { timeoutMs: MAX_TIMER_MS }).catch(() => undefined);
}

function describeRefusal({ method, path, status, index }: RecordedRequest, posthog: FakePostHog): string | null {
  const violations = posthog.violations.filter(({ requestIndex }) => requestIndex === index);
  // 304: flag definitions that have not changed.
  const refused = status !== null && status >= 300 && status !== 304;
  if (!refused && violations.length === 0) return null;
  const outcome = refused ? `refused ${status}` : `accepted ${status ?? ''} but`;
  return `${outcome}  ${method} ${path}  ${violations.map(({ rule, detail }) => `${rule}: ${detail}`).join('; ')}`;
}
