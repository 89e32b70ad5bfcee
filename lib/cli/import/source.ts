import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Flags } from '../flags.js';
import { messageOf, type Terminal, UsageError } from '../terminal.js';
import { HEAD_BYTES, headOf, isGzip } from './recognize.js';
import { type ImportState, StateFile } from './state-file.js';

/** The file name for standard input. */
export const STANDARD_INPUT = '-';

const BEGINNING = { number: 0, end: 0, delivered: 0, rejected: 0, changed: 0 };

/** The input of an import and its progress so far. */
export interface Source {
  /** Opens the stream at the position in `state`. */
  readonly open: () => Readable;
  /** Size of the file; null for standard input, and for a compressed file. */
  readonly bytes: number | null;
  readonly stateFile: StateFile | null;
  readonly state: ImportState;
}

/** Finds the input and the position at which the import starts. */
export async function locateSource(
  path: string,
  { switches, values }: Flags,
  { input, signal }: Pick<Terminal, 'input' | 'signal'>,
  warn: (text: string) => void,
): Promise<Source> {
  const isResumed = switches.has('resume');
  const isDry = switches.has('dry-run');
  const isHistorical = switches.has('historical-migration');
  const project = projectOf(values.get('host'));
  const startedAt = new Date().toISOString();
  const start: ImportState = { startedAt, project, isHistorical, ...BEGINNING };
  if (isDry && isResumed) throw new UsageError('--dry-run checks the whole file: remove --resume');
  if (path === STANDARD_INPUT) {
    if (isResumed) throw new UsageError('--resume needs a file: standard input cannot be read again');
    const isCompressed = isGzip(await headOf(input, signal), 'standard input');
    return { open: () => (isCompressed ? gunzip(input) : input), bytes: null, stateFile: null, state: start };
  }
  const size = await sizeOf(path);
  const isCompressed = isGzip(await headOfFile(path), path);
  const bytes = isCompressed ? null : size;
  const openAt = (position: number): Readable =>
    isCompressed ? gunzip(createReadStream(path), position) : createReadStream(path, { start: position });
  if (isDry) return { open: () => openAt(0), bytes, stateFile: null, state: start };
  const stateFile = new StateFile(path, isCompressed);
  const left = await stateFile.read();
  if (left !== null && !isResumed) {
    throw new UsageError(
      `an import of ${path} was interrupted after line ${left.number}: continue with --resume, or delete ${stateFile.path} to start over`,
    );
  }
  if (left !== null && left.delivered > 0 && left.project !== project) {
    throw new UsageError(
      `the import of ${path} was started with another API key or host: use the same ones, or delete ${stateFile.path} to start over`,
    );
  }
  if (left !== null && left.delivered > 0 && isHistorical && !left.isHistorical) {
    throw new UsageError(
      `the import of ${path} was started without --historical-migration: remove the flag, or delete ${stateFile.path} to start over`,
    );
  }
  if (left === null && isResumed) warn(`${stateFile.path} does not exist, so --resume starts at line 1`);
  const state = left === null ? start : { ...left, project, isHistorical: isHistorical || left.isHistorical };
  return { open: () => openAt(state.end), bytes, stateFile, state };
}

/** The content of a compressed stream from a position. */
function gunzip(input: Readable, position = 0): Readable {
  const content = createGunzip();
  input.once('error', (error) => content.destroy(error));
  content.once('close', () => input.destroy());
  input.pipe(content);
  return position === 0 ? content : Readable.from(skip(content, position), { objectMode: false });
}

async function* skip(content: Readable, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes;
  for await (const data of content) {
    const chunk = data as Buffer;
    if (left < chunk.length) yield chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

async function headOfFile(path: string): Promise<Buffer> {
  const file = await open(path).catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}: ${messageOf(error)}`);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Identifies the project without revealing the key. */
function projectOf(host: string | undefined): string {
  const { POSTHOG_API_KEY: key = '', POSTHOG_HOST: variable = '' } = process.env;
  return createHash('sha256')
    .update(`${key.trim()} ${(host ?? variable).trim()}`)
    .digest('hex');
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch((error: unknown) => {
    throw new UsageError(`cannot read ${path}: ${messageOf(error)}`);
  });
  if (!found.isFile()) throw new UsageError(`${path} is not a file; use - for standard input`);
  return found.size;
}
