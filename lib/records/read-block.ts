import { type QueuedEvent } from '../delivery/delivery.js';
import { isCount, readStart } from './block-start.js';
import { COMPACT_VERSION, readCompact } from './compact-block.js';
import { readTable, TABLE_VERSION } from './event-block.js';

/** The block is intact, but a version of this package wrote it that has another format. */
export function isOfOtherVersion(block: Buffer): boolean {
  const version = readStart(block)?.version;
  return isCount(version) && version !== TABLE_VERSION && version !== COMPACT_VERSION;
}

/**
 * Returns null if the block is damaged, of another version or of another project.
 *
 * @param haveOwnIds true if no other event has the id of one of these
 */
export function readBlock(block: Buffer, project: string, haveOwnIds = false): readonly QueuedEvent[] | null {
  const start = readStart(block);
  if (start?.project !== project) return null;
  if (start.version === TABLE_VERSION) return readTable(block, start, haveOwnIds);
  return start.version === COMPACT_VERSION ? readCompact(block, start, haveOwnIds) : null;
}
