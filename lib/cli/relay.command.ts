import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { type INestApplicationContext, type LoggerService } from '@nestjs/common';
import { PostHogRelayModule } from '../relay/posthog-relay.module.js';
import { boot, readDotEnv } from './boot.js';
import { type Flags } from './flags.js';
import { type HealthServer, serveHealth } from './health-server.js';
import { openRelayEnds } from './relay-ends.js';
import { aborted, cut, EXIT, printable, type Terminal, UsageError } from './terminal.js';

/**
 * `posthog-capture relay`: sends the events of a shared queue or an outbox to PostHog until the terminal's signal is aborted, then hands
 * over to the other relays.
 *
 * @throws UsageError if it cannot start
 */
export async function relay(values: Flags['values'], terminal: Terminal): Promise<number> {
  const port = readPort(values.get('health-port'));
  await readDotEnv();
  const { options, route, close } = openRelayEnds(values);
  let app: INestApplicationContext | undefined;
  let health: HealthServer | undefined;
  try {
    app = await boot(PostHogRelayModule.forRoot({ ...options, logger: loggerOf(terminal) }));
    const capture = app.get<CaptureService>(getCaptureToken('relay'));
    health = port === undefined ? undefined : await serveHealth(port, () => capture.stats());
    terminal.out(`${greeting(route, health?.port)}\n`);
    await aborted(terminal.signal);
    health?.drain();
  } finally {
    await app?.close();
    await health?.close();
    await close();
  }
  return EXIT.ok;
}

function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`--health-port must be a number from 0 to 65535, not "${cut(text, 20)}"`);
}

function greeting(route: string, port: number | undefined): string {
  const health = port === undefined ? '' : ` Health: http://localhost:${port}/live and /ready.`;
  return `Relay started: it ${route}.${health}`;
}

function loggerOf(terminal: Terminal): LoggerService {
  const print = (message: unknown): void => terminal.err(`posthog-capture relay: ${printable(String(message))}\n`);
  return { log: print, warn: print, error: print };
}
