import { readFile } from 'node:fs/promises';
import { type LoggerService, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { explain } from '../capture/dto/explain.js';
import { CaptureEventDto, CaptureService, PostHogCaptureModule, PostHogConfigurationError } from '../index.js';
import { parseFlags, textOf } from './flags.js';
import { errorText, EXIT, printable, type Terminal, UsageError } from './terminal.js';

export const RUN_USAGE = `Usage: posthog-capture run --event NAME --distinct-id ID [options]

Sends one event to PostHog, waits for the answer and prints it as JSON.

  --event NAME         what happened, e.g. page_view
  --distinct-id ID     who did it
  --properties JSON    a JSON object, e.g. '{"plan":"pro"}'
  --timestamp ISO      when it happened, e.g. 2026-01-31T12:00:00Z (default: now)
  --uuid UUID          the event's uuid (default: a new one)
  --input FILE         a job file with event, distinct_id, properties, timestamp; - is standard input. Flags win.
  --host URL           where PostHog is (default: POSTHOG_HOST)

The project API key comes from POSTHOG_API_KEY, also from a .env file.
Exit code: 0 PostHog took the event, 1 it did not, 2 the call was wrong.`;

const FLAGS = ['event', 'distinct-id', 'properties', 'timestamp', 'uuid', 'input', 'host'] as const;
const FIELDS = ['event', 'distinct_id', 'properties', 'timestamp', 'uuid', 'groups', 'disable_geoip', 'options'];

/** Sends one event and prints PostHog's answer, and nothing else, on standard output. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const flags = parseFlags(args, FLAGS);
  if (flags.help) {
    terminal.out(RUN_USAGE);
    return EXIT.ok;
  }
  const job = await readJob(textOf(flags.input), terminal);
  const overrides: Record<string, unknown> = {
    event: textOf(flags.event),
    distinct_id: textOf(flags['distinct-id']),
    properties: parseProperties(textOf(flags.properties)),
    timestamp: textOf(flags.timestamp),
    uuid: textOf(flags.uuid),
  };
  for (const [field, value] of Object.entries(overrides)) if (value !== undefined) job[field] = value;
  const event = checkJob(job, terminal);

  const app = await start(textOf(flags.host), terminal);
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const result = await app.get(CaptureService).captureNow(event, { signal: interrupt.signal });
    terminal.out(JSON.stringify(result));
    return result.success ? EXIT.ok : EXIT.failed;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    await app.close();
  }
}

async function start(host: string | undefined, terminal: Terminal): Promise<INestApplicationContext> {
  const logger = stderrLogger(terminal);
  try {
    const module = PostHogCaptureModule.forRoot({ host, logger, enabled: true });
    return await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  } catch (error) {
    if (error instanceof PostHogConfigurationError) throw new UsageError(error.message.replace(/\s*\n\s*/g, ' '));
    throw error;
  }
}

/** The answer is the only thing on standard output; warnings go beside it. What the answer says already is not said twice. */
function stderrLogger(terminal: Terminal): LoggerService {
  const silent = (): void => undefined;
  const say = (message: unknown): void => {
    const text = String(message);
    if (!text.includes('(undelivered)')) terminal.err(printable(text, 500));
  };
  return { log: silent, debug: silent, verbose: silent, warn: say, error: say };
}

async function readJob(input: string | undefined, { stdin }: Terminal): Promise<Record<string, unknown>> {
  if (input === undefined) return {};
  const source = input === '-' ? 'standard input' : input;
  let text: string;
  try {
    text = input === '-' ? await readAll(stdin) : await readFile(input, 'utf8');
  } catch (error) {
    throw new UsageError(`--input: ${source} cannot be read (${errorText(error, 'code')})`);
  }
  return parseObject(text, `--input: ${source}`);
}

async function readAll(stdin: Terminal['stdin']): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function parseProperties(text: string | undefined): Record<string, unknown> | undefined {
  return text === undefined ? undefined : parseObject(text, '--properties');
}

function parseObject(text: string, field: string): Record<string, unknown> {
  let value: unknown;
  try {
    // Editors on Windows begin files with a mark that JSON does not know.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    throw new UsageError(`${field} is not JSON: expected an object such as {"plan":"pro"}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new UsageError(`${field} must be a JSON object such as {"plan":"pro"}`);
}

function checkJob(job: Record<string, unknown>, terminal: Terminal): CaptureEventDto {
  const unknown = Object.keys(job).filter((field) => !FIELDS.includes(field));
  if (unknown.length > 0) {
    terminal.err(printable(`Unknown fields were ignored: ${unknown.join(', ')}. Known are ${FIELDS.join(', ')}.`, 500));
  }
  if (job.event === undefined)
    throw new UsageError('event is missing: give --event NAME, or "event" in the --input file');
  if (job.distinct_id === undefined) {
    throw new UsageError('distinct_id is missing: give --distinct-id ID, or "distinct_id" in the --input file');
  }
  const known = Object.fromEntries(FIELDS.flatMap((field) => (job[field] === undefined ? [] : [[field, job[field]]])));
  const event = plainToInstance(CaptureEventDto, known);
  if (validateSync(event).length > 0) throw new UsageError(explain(event));
  return event;
}
