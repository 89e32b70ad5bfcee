import { open } from 'node:fs/promises';
import { LmdbFormatError } from './lmdb/format.js';
import { FormerFile } from './lmdb/former-file.js';
import { FileWindow, type FoundBlock, readGeneration, readSegment } from './segments/read-segment.js';

/** A file of an earlier process, opened to be read. */
export interface EventSource {
  /** Another version of this package wrote it, usually a newer one. */
  readonly isOfOtherVersion: boolean;
  /** Sorts the files of one origin by age. */
  readonly generation: number;
  /** Oldest first. */
  blocks(): AsyncGenerator<FoundBlock>;
  close(): Promise<void>;
}

/** Opens a segment, or a file of version 0.1. Passes on errors of the file system; a damaged file has damaged blocks. */
export function openSource(path: string, project: string): Promise<EventSource> {
  return path.endsWith('.events') ? openSegment(path, project) : openFormer(path, project);
}

async function openSegment(path: string, project: string): Promise<EventSource> {
  // Writable, because removals will be written.
  const file = await open(path, 'r+');
  try {
    const window = await FileWindow.over(file);
    const generation = await readGeneration(window);
    return {
      isOfOtherVersion: generation === 'newer',
      generation: typeof generation === 'number' ? generation : 0,
      blocks: () => readSegment(window, project, typeof generation === 'number' ? generation : null),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openFormer(path: string, project: string): Promise<EventSource> {
  try {
    const file = await FormerFile.open(path, project);
    return {
      isOfOtherVersion: await file.isOfOtherVersion(),
      generation: 0,
      blocks: () => blocksOf(file),
      close: () => file.close(),
    };
  } catch (error) {
    if (!(error instanceof LmdbFormatError)) throw error;
    const isOfOtherVersion = error.reason === 'unsupported';
    return { isOfOtherVersion, generation: 0, blocks: () => blocksOf(null), close: () => Promise.resolve() };
  }
}

const DAMAGED: FoundBlock = { offset: null, events: null, count: 0, removed: [] };

/** @param file null if nothing of it is readable */
async function* blocksOf(file: FormerFile | null): AsyncGenerator<FoundBlock> {
  if (!file) {
    yield DAMAGED;
    return;
  }
  for await (const events of file.blocks()) yield { offset: null, events, count: events.length, removed: [] };
  for (let count = file.damaged + file.ofOtherVersion; count > 0; count -= 1) yield DAMAGED;
}
