import { addAbortSignal } from 'node:stream';
import { CaptureService } from '../capture/capture.service.js';
import { dedupeProjectOf } from '../capture/limits/dedupe-uuid.js';
import { watchEvents } from '../capture/report/watch-events.js';
import { PostHogCaptureModule } from '../module/posthog-capture.module.js';
import { PostHogCaptureTestingModule } from '../testing/recording/posthog-capture-testing.module.js';
import { CaptureRecorder } from '../testing/recording/capture-recorder.js';
import { boot, loggerTo, readDotEnv } from './boot.js';
import { type Flags } from './flags.js';
import { amplitude } from './import/formats/amplitude.js';
import { mixpanel } from './import/formats/mixpanel.js';
import { segment } from './import/formats/segment.js';
import { type SourceFormat } from './import/formats/source-format.js';
import { ImportStopped, Importer } from './import/importer.js';
import { Progress } from './import/progress.js';
import { RejectsFile, rejectsPath } from './import/rejects-file.js';
import { locateSource, STANDARD_INPUT } from './import/source.js';
import { type ImportState } from './import/state-file.js';
import { EXIT, messageOf, printable, type Terminal, UsageError } from './terminal.js';

/** The size of a full batch, because latency does not matter here. */
const FLUSH_AT = 500;
/** Pending events bound the memory of an import. */
const MAX_PENDING = 10_000;
const SAVE_INTERVAL_MS = 1000;
/** Unless the variable is set. */
const SHUTDOWN_MS = 5000;
/** Log lines of the module that the importer reports itself, with the line number, or that `--resume` makes irrelevant. */
const REPORTED_BY_IMPORTER = /^(?:Event "|Shut down: )/;

/**
 * `posthog-capture import`: sends the events of a file and prints a summary.
 *
 * @throws UsageError if nothing can be sent
 */
export async function importEvents(flags: Flags, terminal: Terminal): Promise<number> {
  const { switches, values, argument: path } = flags;
  if (path === undefined) throw new UsageError('the file name is missing: posthog-capture import events.ndjson');
  const isDry = switches.has('dry-run');
  await readDotEnv();
  const concurrency = countOf(values.get('concurrency'));
  const format = formatOf(values.get('from'));
  const warn = (text: string): void => terminal.err(`posthog-capture import: warning: ${printable(text)}\n`);
  const source = await locateSource(path, flags, terminal, warn);
  const { bytes, stateFile, state } = source;
  const name = path === STANDARD_INPUT ? 'standard-input' : path;
  const rejects = new RejectsFile(await rejectsPath(values.get('rejects'), name, isDry));
  const { signal } = terminal;
  const dedupeProject = dedupeProjectOf((process.env.POSTHOG_API_KEY ?? '').trim());
  const importer = new Importer({
    state,
    dedupeProject,
    rejects,
    format,
    maxPending: MAX_PENDING,
    isDry,
    signal,
    warn,
  });
  const module = (isDry ? PostHogCaptureTestingModule : PostHogCaptureModule).forRoot({
    host: values.get('host'),
    logger: loggerTo((text) => !REPORTED_BY_IMPORTER.test(text) && warn(text)),
    flushAt: FLUSH_AT,
    maxQueueEvents: 2 * MAX_PENDING,
    onDelivery: importer.delivered,
    onDrop: importer.dropped,
    ...(concurrency !== undefined && { concurrency }),
    ...(state.isHistorical && { historicalMigration: true }),
    ...(isDry || process.env.POSTHOG_SHUTDOWN_TIMEOUT_MS !== undefined ? {} : { shutdownTimeoutMs: SHUTDOWN_MS }),
  });
  // An import saves its own progress, and must not send what an application left in its store. Through a queue, it would not be notified
  // of what PostHog has accepted.
  process.env.POSTHOG_STORE_PATH = '';
  process.env.POSTHOG_QUEUE_URL = '';
  // They are for events as they happen: an import would lose nearly all of its lines.
  process.env.POSTHOG_LIMITS = '';
  const app = await boot(module);
  if (app.get(CaptureService).disabled) {
    await app.close();
    throw new UsageError('capturing is disabled: POSTHOG_ENABLED is false');
  }
  watchEvents(app.get(CaptureService), { warned: importer.warned });
  const save = async (): Promise<boolean> => {
    if (isDry) app.get(CaptureRecorder).clear();
    // Taken before the rejects are written, so that the report has every rejected line that this state counts.
    const reached = importer.state;
    try {
      await rejects.write();
      await stateFile?.write(reached);
      return true;
    } catch (problem) {
      warn(`the progress could not be saved: ${messageOf(problem)}`);
      return false;
    }
  };
  try {
    await rejects.begin(state.number);
  } catch (problem) {
    await app.close();
    throw problem;
  }
  // Save the start time before anything is sent: events that are sent again must have the same timestamp.
  await save();
  const progress = new Progress(terminal, bytes, () => importer.counts);
  const stopSaving = repeat(save, SAVE_INTERVAL_MS);
  let error: string | null = null;
  const stream = source.open();
  try {
    await importer.run(addAbortSignal(signal, stream), app.get(CaptureService));
  } catch (problem) {
    if (problem instanceof ImportStopped) error = problem.message;
    else if (!signal.aborted) error = `cannot read ${name}: ${messageOf(problem)}`;
  } finally {
    stream.destroy();
    await app.close();
    progress.stop();
    await stopSaving();
  }
  // If the report could not be written, keep the state file: `--resume` writes these reports again.
  if (!(await save())) error ??= `cannot write ${rejects.path}`;
  if (error === null && !signal.aborted) await stateFile?.remove();
  return printSummary(importer.state, {
    error,
    rejects: rejects.path,
    isResumable: stateFile !== null,
    isDry,
    terminal,
  });
}

interface Outcome {
  /** Reason why the import stopped early. */
  readonly error: string | null;
  readonly rejects: string;
  readonly isResumable: boolean;
  readonly isDry: boolean;
  readonly terminal: Terminal;
}

/** Prints the summary and returns the exit code. */
function printSummary(state: ImportState, { error, rejects, isResumable, isDry, terminal }: Outcome): number {
  // In a dry run, settled means valid: nothing is delivered.
  const { number: lines, rejected, changed } = state;
  const delivered = isDry ? 0 : state.delivered;
  const { aborted } = terminal.signal;
  const say = (text: string): void => terminal.err(`posthog-capture import: ${text}\n`);
  if (rejected > 0) say(`${linesText(rejected)} rejected: see ${rejects} for line numbers and reasons`);
  if (changed > 0) say(`${linesText(changed)} with changed or omitted values: see the warnings`);
  if (aborted || error !== null) {
    say(`processed up to line ${lines}${isResumable ? '; continue with --resume' : ''}`);
  }
  const success = error === null && !aborted && rejected === 0;
  terminal.out(`${JSON.stringify({ success, lines, delivered, rejected, error: aborted ? 'interrupted' : error })}\n`);
  if (aborted) return EXIT.interrupted;
  return success ? EXIT.ok : EXIT.failed;
}

function linesText(count: number): string {
  return count === 1 ? '1 line' : `${count} lines`;
}

const FORMATS: Readonly<Record<string, SourceFormat>> = { mixpanel, amplitude, segment };

function formatOf(name: string | undefined): SourceFormat | undefined {
  if (name === undefined) return undefined;
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (format === undefined) throw new UsageError(`--from must be one of ${Object.keys(FORMATS).join(', ')}`);
  return format;
}

function countOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new UsageError('--concurrency must be a whole number of at least 1');
  return count;
}

/** Calls `act` periodically, never concurrently. Returns a function that stops it and waits for a running call. */
function repeat(act: () => Promise<unknown>, everyMs: number): () => Promise<unknown> {
  let running: Promise<unknown> = Promise.resolve();
  let isRunning = false;
  const timer = setInterval(() => {
    if (isRunning) return;
    isRunning = true;
    running = act().finally(() => (isRunning = false));
    // The caller that stops it receives the rejection.
    running.catch(() => undefined);
  }, everyMs);
  return () => {
    clearInterval(timer);
    return running;
  };
}
