import { createReadStream } from 'node:fs';
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { CaptureService } from '../capture/capture.service.js';
import { watchEvents } from '../capture/report/watch-events.js';
import { PostHogCaptureModule } from '../module/posthog-capture.module.js';
import { PostHogCaptureTestingModule } from '../testing/recording/posthog-capture-testing.module.js';
import { CaptureRecorder } from '../testing/recording/capture-recorder.js';
import { boot, loggerTo, readDotEnv } from './boot.js';
import { type Flags } from './flags.js';
import { GivenUp, Importer } from './import/importer.js';
import { Progress } from './import/progress.js';
import { RejectsFile } from './import/rejects-file.js';
import { type ImportState, StateFile } from './import/state-file.js';
import { EXIT, messageOf, printable, type Terminal, UsageError } from './terminal.js';

/** As many as one request takes: nobody waits for these events. */
const FLUSH_AT = 500;
/** What waits to be sent is all that an import keeps in memory. */
const MAX_PENDING = 10_000;
const SAVE_MS = 1000;
const SHUTDOWN_MS = 5000;
const STANDARD_INPUT = '-';
/** How the log tells of one event, which the importer does with the number of the line, and of the rest, which `--resume` sends. */
const ACCOUNTED_FOR = /^(?:Event "|Shut down: )/;

const NOTHING_YET = { number: 0, end: 0, delivered: 0, rejected: 0, changed: 0 };

/** What is imported. */
interface Source {
  /** Opens it where `state` says; not before all else is right. */
  readonly open: () => Readable;
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
  await readDotEnv();
  const concurrency = countOf(values.get('concurrency'));
  const warn = (text: string): void => terminal.err(`posthog-capture import: warning: ${printable(text)}\n`);
  const source = await locate(path, flags, terminal.input, warn);
  const { bytes, stateFile, state } = source;
  const name = path === STANDARD_INPUT ? 'standard-input' : path;
  const rejects = new RejectsFile(await rejectsPath(values.get('rejects'), name, isDry));
  const { signal } = terminal;
  const importer = new Importer({ state, rejects, maxPending: MAX_PENDING, isDry, signal, warn });
  const module = (isDry ? PostHogCaptureTestingModule : PostHogCaptureModule).forRoot({
    host: values.get('host'),
    logger: loggerTo((text) => !ACCOUNTED_FOR.test(text) && warn(text)),
    flushAt: FLUSH_AT,
    maxQueueEvents: 2 * MAX_PENDING,
    onDelivery: importer.delivered,
    onDrop: importer.dropped,
    ...(concurrency !== undefined && { concurrency }),
    ...(state.isHistorical && { historicalMigration: true }),
    ...(isDry ? {} : { shutdownTimeoutMs: SHUTDOWN_MS }),
  });
  // An import keeps account by itself, and what an application left in its store is none of it.
  process.env.POSTHOG_STORE_PATH = '';
  const app = await boot(module);
  if (app.get(CaptureService).disabled) {
    await app.close();
    throw new UsageError('capturing is off: POSTHOG_ENABLED is false');
  }
  watchEvents(app.get(CaptureService), { warned: importer.warned });
  const save = async (): Promise<boolean> => {
    if (isDry) app.get(CaptureRecorder).clear();
    // Before the rejects, so that none is missing of the lines that it counts.
    const reached = importer.state;
    try {
      await rejects.write();
      await stateFile?.write(reached);
      return true;
    } catch (problem) {
      warn(`how far the import has come is not kept: ${messageOf(problem)}`);
      return false;
    }
  };
  try {
    await rejects.begin(state.number);
  } catch (problem) {
    await app.close();
    throw problem;
  }
  // Before anything is sent: what is sent again must have the same times.
  await save();
  const progress = new Progress(terminal, bytes, () => importer.counts);
  const endSaving = repeat(save, SAVE_MS);
  let error: string | null = null;
  const stream = source.open();
  try {
    await importer.run(addAbortSignal(signal, stream), app.get(CaptureService));
  } catch (problem) {
    if (problem instanceof GivenUp) error = problem.message;
    else if (!signal.aborted) error = `cannot read ${name}: ${messageOf(problem)}`;
  } finally {
    stream.destroy();
    await app.close();
    progress.stop();
    await endSaving();
  }
  // Reports that are not in their file are made again by `--resume`.
  if (!(await save())) error ??= `cannot write ${rejects.path}`;
  if (error === null && !signal.aborted) await stateFile?.remove();
  return summary(importer.state, { error, rejects: rejects.path, isResumable: stateFile !== null, isDry, terminal });
}

interface Ending {
  /** Why it could not go on. */
  readonly error: string | null;
  readonly rejects: string;
  readonly isResumable: boolean;
  readonly isDry: boolean;
  readonly terminal: Terminal;
}

/** Says what became of the lines. Returns the exit code. */
function summary(state: ImportState, { error, rejects, isResumable, isDry, terminal }: Ending): number {
  // A dry run delivers nothing.
  const { number: lines, rejected, changed } = state;
  const delivered = isDry ? 0 : state.delivered;
  const { aborted } = terminal.signal;
  const say = (text: string): void => terminal.err(`posthog-capture import: ${text}\n`);
  if (rejected > 0) say(`${rejected} lines were rejected: ${rejects} says which and why`);
  if (changed > 0) say(`${changed} lines were not taken as they are: the warnings tell the first of each kind`);
  if (aborted || error !== null) {
    say(`line ${lines} is the last that is answered for${isResumable ? '; --resume goes on after it' : ''}`);
  }
  const success = error === null && !aborted && rejected === 0;
  terminal.out(`${JSON.stringify({ success, lines, delivered, rejected, error: aborted ? 'interrupted' : error })}\n`);
  if (aborted) return EXIT.interrupted;
  return success ? EXIT.ok : EXIT.failed;
}

/** Finds what is imported, and where it goes on. */
async function locate(
  path: string,
  { switches, values }: Flags,
  input: Readable,
  warn: (text: string) => void,
): Promise<Source> {
  const isResumed = switches.has('resume');
  const isDry = switches.has('dry-run');
  const isHistorical = switches.has('historical-migration');
  const project = projectOf(values.get('host'));
  const startedAt = new Date().toISOString();
  const start: ImportState = { startedAt, project, isHistorical, ...NOTHING_YET };
  if (isDry && isResumed) throw new UsageError('--dry-run checks the whole file: leave out --resume');
  if (path === STANDARD_INPUT) {
    if (isResumed) throw new UsageError('--resume needs a file: standard input cannot be read again');
    return { open: () => input, bytes: null, stateFile: null, state: start };
  }
  const bytes = await sizeOf(path);
  if (isDry) return { open: () => createReadStream(path), bytes, stateFile: null, state: start };
  const stateFile = new StateFile(path);
  const left = await stateFile.read();
  if (left !== null && !isResumed) {
    throw new UsageError(
      `an import of ${path} was interrupted after line ${left.number}: --resume goes on there; to begin anew delete ${stateFile.path}`,
    );
  }
  if (left !== null && left.delivered > 0 && left.project !== project) {
    throw new UsageError(
      `the import of ${path} began with another key or host: give those again, or delete ${stateFile.path} to begin anew`,
    );
  }
  if (left !== null && left.delivered > 0 && isHistorical && !left.isHistorical) {
    throw new UsageError(
      `the import of ${path} began without --historical-migration: leave it out, or delete ${stateFile.path} to begin anew`,
    );
  }
  if (left === null && isResumed)
    warn(`there is no ${stateFile.path}, so --resume has nothing to go on with and begins at line 1`);
  const state = left === null ? start : { ...left, project, isHistorical: isHistorical || left.isHistorical };
  return { open: () => createReadStream(path, { start: state.end }), bytes, stateFile, state };
}

/** Tells projects apart, and no key. */
function projectOf(host: string | undefined): string {
  const { POSTHOG_API_KEY: key = '', POSTHOG_HOST: variable = '' } = process.env;
  return createHash('sha256')
    .update(`${key.trim()} ${(host ?? variable).trim()}`)
    .digest('hex');
}

/** Where bad lines are reported: never over what is imported, nor over the reports of what was sent. */
async function rejectsPath(given: string | undefined, name: string, isDry: boolean): Promise<string> {
  const path = given ?? `${name}${isDry ? '.dry-run' : ''}.rejects.ndjson`;
  const found = await stat(path).catch(() => null);
  if (found !== null && !found.isFile()) throw new UsageError(`--rejects ${path} is no file`);
  if (resolve(path) === resolve(name) || resolve(path) === resolve(`${name}.import-state.json`))
    throw new UsageError(`--rejects must be another file than what is imported`);
  return path;
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
function repeat(act: () => Promise<unknown>, everyMs: number): () => Promise<unknown> {
  let running: Promise<unknown> = Promise.resolve();
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
