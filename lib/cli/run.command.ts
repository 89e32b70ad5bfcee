import { createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { CaptureService } from '../capture/capture.service.js';
import { type CaptureEventDto } from '../capture/input/capture-event.dto.js';
import { type CaptureResult } from '../capture/capture-result.js';
import { watchEvents } from '../capture/report/watch-events.js';
import { type SendFailure } from '../delivery/delivery.js';
import { PostHogCaptureModule } from '../module/posthog-capture.module.js';
import { boot, loggerTo, readDotEnv } from './boot.js';
import { isObject } from '../shared/untrusted-values.js';
import { checkInput, type JsonObject, kindOf, warnOfUnknown } from './event-input.js';
import { type Flags } from './flags.js';
import { cut, EXIT, messageOf, printable, type Terminal, UsageError } from './terminal.js';

/**
 * `posthog-capture run`: sends one event and prints the result.
 *
 * @throws UsageError if nothing can be sent
 */
export async function run(values: Flags['values'], terminal: Terminal): Promise<number> {
  try {
    const event = await readJob(values, terminal);
    const { success } = await send(event, values.get('host'), terminal);
    if (success) return EXIT.ok;
  } catch (error) {
    if (!terminal.signal.aborted) throw error;
  }
  return terminal.signal.aborted ? EXIT.interrupted : EXIT.failed;
}

async function send(event: CaptureEventDto, host: string | undefined, terminal: Terminal): Promise<CaptureResult> {
  const warn = (text: string): void => {
    // The result on standard output reports this already.
    if (!text.includes('(undelivered)')) terminal.err(`posthog-capture run: warning: ${text}\n`);
  };
  await readDotEnv();
  // The event is sent past a queue.
  process.env.POSTHOG_QUEUE_URL = '';
  const app = await boot(PostHogCaptureModule.forRoot({ host, logger: loggerTo(warn) }));
  const capture = app.get(CaptureService);
  const failures = new FailureLines(terminal, host !== undefined);
  watchEvents(capture, { retrying: (_events, delayMs, failure) => failures.print(failure, delayMs) });
  try {
    const result = await capture.captureNow(event.toCaptureEvent(), { signal: terminal.signal });
    // PostHog refuses every event, for instance because of the key: there is no retry.
    const { lastFailure } = capture.stats();
    if (lastFailure !== null) failures.print(lastFailure, null);
    terminal.out(`${JSON.stringify(result)}\n`);
    return result;
  } finally {
    await app.close();
  }
}

/** Prints failed requests on standard error, each remedy once. */
class FailureLines {
  readonly #terminal: Terminal;
  readonly #hasHostFlag: boolean;
  readonly #remedies = new Set<string>();
  #retries = 0;

  constructor(terminal: Terminal, hasHostFlag: boolean) {
    this.#terminal = terminal;
    this.#hasHostFlag = hasHostFlag;
  }

  /** @param delayMs until the retry; null: there is none */
  print({ message, remedy }: SendFailure, delayMs: number | null): void {
    const sentences = [message];
    if (!this.#remedies.has(remedy)) {
      this.#remedies.add(remedy);
      sentences.push(`Remedy: ${this.#hasHostFlag ? remedy.replaceAll('POSTHOG_HOST', '--host') : remedy}`);
    }
    if (delayMs !== null) sentences.push(`Retry ${++this.#retries} in ${duration(delayMs)}`);
    this.#terminal.err(`posthog-capture run: ${printable(sentences.join('. '))}.\n`);
  }
}

const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1000)} s`);

/** PostHog accepts events of about 1 MB, so a larger file is a mistake. */
const MAX_JOB_CHARACTERS = 16 * 1024 * 1024;

/** Fields that have a flag. Flags override the job file. */
const FLAG_FIELDS = [
  ['event', 'event'],
  ['distinct-id', 'distinct_id'],
  ['timestamp', 'timestamp'],
  ['uuid', 'uuid'],
] as const;

/**
 * Combines flags and job file into one event and validates it. One warning lists all unknown fields of the file.
 *
 * @throws UsageError that names the field and the remedy
 * @throws AbortError if the terminal's signal is aborted while reading
 */
async function readJob(values: Flags['values'], terminal: Terminal): Promise<CaptureEventDto> {
  const input = values.get('input');
  const job = input === undefined ? {} : await readJobFile(input, terminal);
  warnOfUnknownIn(job, terminal);

  for (const [flag, field] of FLAG_FIELDS) if (values.has(flag)) job[field] = values.get(flag);
  const properties = values.get('properties');
  if (properties !== undefined) job.properties = parseObject(properties, '--properties');
  for (const [flag, field] of FLAG_FIELDS.slice(0, 2)) {
    const value = job[field];
    if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) {
      throw new UsageError(`${field} is missing: add --${flag}, or "${field}" in the file given with --input`);
    }
  }
  const { dto, problems } = checkInput(job);
  if (problems.length === 0) return dto;
  throw new UsageError(problems.join('; '));
}

function warnOfUnknownIn(job: JsonObject, { err }: Terminal): void {
  const warnings: string[] = [];
  warnOfUnknown(job, (warning) => void warnings.push(warning));
  if (warnings.length > 0) err(`posthog-capture run: warning: ${printable(warnings.join('; '))}\n`);
}

async function readJobFile(path: string, { input, signal }: Terminal): Promise<JsonObject> {
  const name = path === '-' ? 'standard input' : path;
  const text = await readText(path === '-' ? input : createReadStream(path), name, signal);
  if (text.trim() === '') throw new UsageError(`${name} is empty: it must contain an event as a JSON object`);
  return parseObject(text, name);
}

async function readText(source: Readable, name: string, signal: AbortSignal): Promise<string> {
  let text = '';
  try {
    for await (const chunk of addAbortSignal(signal, source).setEncoding('utf8')) {
      text += String(chunk);
      if (text.length > MAX_JOB_CHARACTERS) throw new UsageError(`${name} is too large for one event`);
    }
  } catch (error) {
    if (error instanceof UsageError || signal.aborted) throw error;
    throw new UsageError(`cannot read ${name}: ${messageOf(error)}`);
  }
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

function parseObject(text: string, name: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${name} is not valid JSON: ${cut(messageOf(error), 120)}`);
  }
  if (isObject(value)) return value;
  throw new UsageError(`${name} must be a JSON object such as {"plan":"pro"}, not ${kindOf(value)}`);
}
