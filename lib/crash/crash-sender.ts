/** The program that sends the events of a process that has crashed: see `send-from-child.ts`. */
import { type QueuedEvent } from '../delivery/delivery.js';
import { DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { LanedDelivery } from '../delivery/lanes/laned-delivery.js';
import { SILENT_OBSERVER } from '../delivery/silent-observer.js';
import { MAX_AI_BATCH_BYTES } from '../wire/ai-events.js';
import { BatchSender } from '../wire/batch-sender.js';
import { isAiEvent } from '../wire/formats.js';
import { type HttpClient } from '../wire/http-client.js';
import { nodeClient } from '../wire/node-client.js';
import { type CrashDelivery, type CrashSettings, decodeCrash, encodeDelivered } from './crash-message.js';
import { CHILD_TIMEOUT_MS } from './send-from-child.js';

/** For the start of this process, which its own clock does not count, and for its end. */
const MARGIN_MS = 200;
const RETRY_BASE_MS = 50;
const RETRY_MAX_MS = 400;
/** More than there is time for. */
const MAX_RETRIES = 1000;

const timeLeftMs = (): number => Math.max(0, CHILD_TIMEOUT_MS - MARGIN_MS - performance.now());

async function send({ settings, events, first }: CrashDelivery, index: number): Promise<void> {
  const { maxBatchEvents, concurrency } = settings;
  const sender = new BatchSender(await clientOf(settings), {
    ...settings,
    requestTimeoutMs: timeLeftMs(),
    names: { apiKey: 'apiKey', host: 'host', captureMode: 'captureMode' },
  });
  const positions = new Map(events.map((event, at) => [event, at]));
  const report = (delivered: readonly QueuedEvent[]): void => {
    const indices = delivered.map((event) => positions.get(event) ?? -1);
    process.stdout.write(encodeDelivered(index, indices));
  };
  const limits = {
    maxQueueEvents: Number.MAX_SAFE_INTEGER,
    maxQueueBytes: Number.MAX_SAFE_INTEGER,
    maxEventAgeMs: null,
  };
  const retries = { maxRetries: MAX_RETRIES, retryBaseMs: RETRY_BASE_MS, retryMaxMs: RETRY_MAX_MS };
  const times = { flushAt: 1, flushIntervalMs: 1, coolDownMs: RETRY_MAX_MS, shutdownTimeoutMs: timeLeftMs() };
  const newPipeline = (maxBatchBytes: number): DeliveryPipeline =>
    new DeliveryPipeline({ maxBatchEvents, maxBatchBytes, concurrency, ...limits, ...retries, ...times }, sender, {
      ...SILENT_OBSERVER,
      delivered: report,
    });
  const delivery = new LanedDelivery(
    newPipeline(settings.maxBatchBytes),
    { takes: isAiEvent, open: () => newPipeline(Math.min(settings.maxBatchBytes, MAX_AI_BATCH_BYTES)) },
    times,
  );
  for (const event of events) {
    if (event.id === first) void delivery.deliverNow(event, { timeoutMs: timeLeftMs() });
    else delivery.accept(event);
  }
  await delivery.close();
}

/** axios only where it is needed: loading it takes as long as sending a thousand events. */
async function clientOf({ http, host }: CrashSettings): Promise<HttpClient> {
  const hasProxy = Object.keys(process.env).some((name) => /proxy$/i.test(name));
  if (http === undefined && !hasProxy) return nodeClient();
  const { privateClient } = await import('../wire/private-client.js');
  return privateClient(http, host);
}

async function main(): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  await Promise.allSettled(decodeCrash(Buffer.concat(chunks)).map(send));
}

const end = (): void => void process.stdout.write('', () => process.exit());

main().then(end, end);
