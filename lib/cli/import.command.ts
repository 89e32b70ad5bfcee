import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { CaptureService } from '../capture/capture.service.js';
import { PostHogCaptureModule } from '../posthog-capture.module.js';
import { PostHogCaptureTestingModule } from '../testing/recording/posthog-capture-testing.module.js';
import { CaptureRecorder } from '../testing/recording/capture-recorder.js';
import { boot, loggerTo } from './boot.js';
import { type Flags } from './flags.js';
import { GivenUp, Importer } from './import/importer.js';
import { Progress } from './import/progress.js';
import { RejectsFile } from './import/rejects-file.js';
import { type ImportState, StateFile } from './import/state-file.js';
import { printable } from './printable.js';
import { EXIT, messageOf, type Terminal, UsageError } from './terminal.js';

/** As many as one request takes: nobody waits for these events. */
const FLUSH_AT = 500;
/** What waits to be sent is all that an import keeps in memory. */
const MAX_PENDING = 10_000;
const SAVE_MS = 1000;
const STANDARD_INPUT = '-';

/** What is imported. */
interface Source {
  readonly stream: Readable;
  /** null for standard input. */
  readonly bytes: number | null;
  readonly stateFile: StateFile | null;
  readonly state: ImportState;
}

/**
 * `posthog-capture import`: sends the events of a file, and says what became of its lines.
 *
 * @throws UsageError when nothing can be sent
 */
export async function importEvents(flags: Flags, terminal: Terminal): Promise<number> {
  const { switches, values, argument: path } = flags;
  if (path === undefined) throw new UsageError('the file is missing: posthog-capture import events.ndjson');
  const isDry = switches.has('dry-run');
  const concurrency = countOf(values.get('concurrency'));
  const warn = (text: string): void => terminal.err(`posthog-capture import: warning: ${printable(text)}\n`);
  const { stream, bytes, stateFile, state } = await open(path, switches, terminal);
  const name = path === STANDARD_INPUT ? 'standard-input' : path;
  const rejects = new RejectsFile(values.get('rejects') ?? `${name}.rejects.ndjson`);
  const { signal } = terminal;
  const importer = new Importer({ state, rejects, maxPending: MAX_PENDING, isDry, signal, warn });
  const module = (isDry ? PostHogCaptureTestingModule : PostHogCaptureModule).forRoot({
    host: values.get('host'),
    // Bad lines are reported, each with its number.
    logger: loggerTo((text) => !text.startsWith('Event ') && warn(text)),
    flushAt: FLUSH_AT,
    maxQueueEvents: 2 * MAX_PENDING,
    onDelivery: importer.delivered,
    onDrop: importer.dropped,
    ...(concurrency !== undefined && { concurrency }),
    ...(switches.has('historical-migration') && { historicalMigration: true }),
  });
  const app = await boot(module);
  const save = async (): Promise<void> => {
    if (isDry) app.get(CaptureRecorder).clear();
    try {
      await rejects.write();
      await stateFile?.write(importer.state);
    } catch (problem) {
      warn(`how far the import has come is not kept: ${messageOf(problem)}`);
    }
  };
  await rejects.begin(state.number);
  // Before anything is sent: what is sent again must have the same times.
  await save();
  const progress = new Progress(terminal, bytes, () => importer.counts);
  const endSaving = repeat(save, SAVE_MS);
  let error: string | null = null;
  try {
    await importer.run(addAbortSignal(signal, stream), app.get(CaptureService));
  } catch (problem) {
    if (problem instanceof GivenUp) error = problem.message;
    else if (!signal.aborted) throw new UsageError(`cannot read ${name}: ${messageOf(problem)}`);
  } finally {
    stream.destroy();
    await app.close();
    progress.stop();
    await endSaving();
    await save();
  }
  if (error === null && !signal.aborted) await stateFile?.remove();
  return summary(importer.state, { error, rejects: rejects.path, isResumable: stateFile !== null, isDry, terminal });
}

interface Ending {
  /** What PostHog answered when it took nothing any more. */
  readonly error: string | null;
  readonly rejects: string;
  readonly isResumable: boolean;
  readonly isDry: boolean;
  readonly terminal: Terminal;
}

/** Says what became of the lines. Returns the exit code. */
function summary(state: ImportState, { error, rejects, isResumable, isDry, terminal }: Ending): number {
  // A dry run delivers nothing.
  const { number: lines, rejected } = state;
  const delivered = isDry ? 0 : state.delivered;
  const { aborted } = terminal.signal;
  const say = (text: string): void => terminal.err(`posthog-capture import: ${text}\n`);
  if (rejected > 0) say(`${rejected} lines were rejected: ${rejects} says which and why`);
  if (aborted || error !== null) {
    say(`line ${lines} is the last that is answered for${isResumable ? '; --resume goes on after it' : ''}`);
  }
  const success = error === null && !aborted && rejected === 0;
  terminal.out(`${JSON.stringify({ success, lines, delivered, rejected, error: aborted ? 'interrupted' : error })}\n`);
  if (aborted) return EXIT.interrupted;
  return success ? EXIT.ok : EXIT.failed;
}

/** Opens what is imported, where it goes on. */
async function open(path: string, switches: Flags['switches'], { input }: Terminal): Promise<Source> {
  const isResumed = switches.has('resume');
  const isDry = switches.has('dry-run');
  const start: ImportState = { number: 0, end: 0, startedAt: new Date().toISOString(), delivered: 0, rejected: 0 };
  if (isDry && isResumed) throw new UsageError('--dry-run checks the whole file: leave out --resume');
  if (path === STANDARD_INPUT) {
    if (isResumed) throw new UsageError('--resume needs a file: standard input cannot be read again');
    return { stream: input, bytes: null, stateFile: null, state: start };
  }
  const bytes = await sizeOf(path);
  if (isDry) return { stream: createReadStream(path), bytes, stateFile: null, state: start };
  const stateFile = new StateFile(path);
  const left = await stateFile.read();
  if (left !== null && !isResumed) {
    throw new UsageError(
      `an import of ${path} was interrupted after line ${left.number}: --resume goes on there; to begin anew delete ${stateFile.path}`,
    );
  }
  const state = left ?? start;
  return { stream: createReadStream(path, { start: state.end }), bytes, stateFile, state };
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}: ${messageOf(error)}`);
  });
  if (!found.isFile()) throw new UsageError(`${path} is no file; standard input is -`);
  return found.size;
}

function countOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new UsageError('--concurrency must be a whole number from 1');
  return count;
}

/** Runs something now and then, never twice at a time. Returns what ends it, after the last run. */
function repeat(act: () => Promise<void>, everyMs: number): () => Promise<void> {
  let running = Promise.resolve();
  let isRunning = false;
  const timer = setInterval(() => {
    if (isRunning) return;
    isRunning = true;
    running = act().finally(() => (isRunning = false));
    // Whoever ends it hears of a failure.
    running.catch(() => undefined);
  }, everyMs);
  return () => {
    clearInterval(timer);
    return running;
  };
}
