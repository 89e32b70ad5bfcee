import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { type LoggerService } from '@nestjs/common';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { describeUrl } from '../options/describe-value.js';
import { type CaptureQueue } from '../queue/capture-queue.js';
import { redisQueue } from '../redis/redis-queue.js';
import { PostHogRelayModule } from '../relay/posthog-relay.module.js';
import { boot, readDotEnv } from './boot.js';
import { type Flags } from './flags.js';
import { type HealthServer, serveHealth } from './health-server.js';
import { aborted, cut, EXIT, messageOf, printable, type Terminal, UsageError } from './terminal.js';

/**
 * `posthog-capture relay`: sends the events of a shared queue to PostHog until the terminal's signal is aborted, then hands over to the
 * other relays.
 *
 * @throws UsageError if it cannot start
 */
export async function relay(values: Flags['values'], terminal: Terminal): Promise<number> {
  const port = readPort(values.get('health-port'));
  await readDotEnv();
  const { url, source } = openSource(values);
  const app = await boot(PostHogRelayModule.forRoot({ source, logger: loggerOf(terminal) }));
  let health: HealthServer | undefined;
  try {
    const capture = app.get<CaptureService>(getCaptureToken('relay'));
    health = port === undefined ? undefined : await serveHealth(port, () => capture.stats());
    terminal.out(`${greeting(url, health?.port)}\n`);
    await aborted(terminal.signal);
    health?.drain();
  } finally {
    await app.close();
    await health?.close();
  }
  return EXIT.ok;
}

function openSource(values: Flags['values']): { url: string; source: CaptureQueue } {
  const url = values.get('queue') ?? process.env.POSTHOG_QUEUE_URL?.trim() ?? '';
  if (url === '') throw new UsageError('the queue is missing: set POSTHOG_QUEUE_URL=redis://…, or add --queue');
  const project = values.get('project');
  try {
    return { url, source: redisQueue({ connection: url, ...(project !== undefined && { project }) }) };
  } catch (error) {
    const problem = error instanceof PostHogConfigurationError ? error.problems.join('; ') : messageOf(error);
    throw new UsageError(`cannot use the queue ${describeUrl(url, undefined)}: ${problem}`);
  }
}

function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`--health-port must be a number from 0 to 65535, not "${cut(text, 20)}"`);
}

function greeting(url: string, port: number | undefined): string {
  const health = port === undefined ? '' : ` Health: http://localhost:${port}/live and /ready.`;
  return `Relay started: it takes events from ${describeUrl(url, undefined)} and sends them to PostHog.${health}`;
}

function loggerOf(terminal: Terminal): LoggerService {
  const print = (message: unknown): void => terminal.err(`posthog-capture relay: ${printable(String(message))}\n`);
  return { log: print, warn: print, error: print };
}
