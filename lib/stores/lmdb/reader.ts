import { type FileHandle } from 'node:fs/promises';
import { BYTES_WITH_METAS, type Meta, type Node, readMetas, readPage } from './format.js';
import { LmdbPages, readAt } from './pages.js';

export interface LmdbRecord {
  /** NaN if it is damaged. */
  readonly key: number;
  readonly value: Buffer;
}

/** Branches and leaves of a tree. LMDB allows as many. */
const MAX_DEPTH = 32;
/** Smallest space that a record takes. */
const MIN_RECORD_BYTES = 8;

/** A record of a tree; null if it is damaged. */
type Found = Exclude<Node, { child: number }> | null;

interface Tree {
  readonly meta: Meta;
  readonly records: number;
  /** Number of damaged nodes and pages. */
  readonly damaged: number;
}

/**
 * Reads the records of an LMDB file without LMDB. Nothing else may write the file meanwhile. Any content is safe to read: each page is
 * read once, no offset is followed out of the file, and damaged parts are skipped. LMDB keeps no checksums, so values may be damaged.
 */
export class LmdbReader {
  readonly #file: FileHandle;
  readonly #fileBytes: number;
  readonly #tree: Tree | null;

  private constructor(file: FileHandle, fileBytes: number, tree: Tree | null) {
    this.#file = file;
    this.#fileBytes = fileBytes;
    this.#tree = tree;
  }

  /**
   * Selects the newest commit, or the one before it if more records of that can be found. Errors of the file system are passed on.
   *
   * @throws LmdbFormatError if the file is not readable at all
   */
  static async open(file: FileHandle): Promise<LmdbReader> {
    const { size } = await file.stat();
    const metas = readMetas(await readAt(file, 0, Math.min(size, BYTES_WITH_METAS)));
    const [newest, former] = metas;
    if (!newest) return new LmdbReader(file, size, null);
    let tree = await inspect(file, size, newest);
    if (former && (tree.damaged > 0 || !areSuccessive(former, newest))) {
      const other = await inspect(file, size, former);
      tree = other.records > tree.records ? other : tree;
      return new LmdbReader(file, size, withDamage(tree));
    }
    // Only a file without a commit may lack a meta page: creating it was interrupted.
    const isComplete = former !== undefined || (newest.transaction === 0n && size < 2 * newest.pageSize);
    return new LmdbReader(file, size, isComplete ? tree : withDamage(tree));
  }

  /** Number of records that cannot be found; at least 1 if the file is damaged in any other way that can be noticed. */
  get damaged(): number {
    if (!this.#tree) return 0;
    const { meta, records, damaged } = this.#tree;
    const isPlausible = meta.entries <= meta.bytes / MIN_RECORD_BYTES;
    return Math.max(damaged, isPlausible ? Math.abs(meta.entries - records) : 1);
  }

  /** In the order of their keys. The value of each is a copy. */
  async *records(): AsyncGenerator<LmdbRecord, void, undefined> {
    if (!this.#tree) return;
    const pages = new LmdbPages(this.#file, this.#fileBytes, this.#tree.meta.pageSize);
    for await (const leaf of walk(pages, this.#tree.meta.root)) {
      for (const found of leaf.filter((record) => record !== null)) {
        const value = 'value' in found ? Buffer.from(found.value) : await pages.value(found.page, found.length);
        yield { key: found.key, value };
      }
    }
  }
}

/** Both are empty in a new file. */
const areSuccessive = (former: Meta, newest: Meta): boolean =>
  newest.transaction === 0n ? newest.root === former.root : newest.transaction === former.transaction + 1n;

const withDamage = (tree: Tree): Tree => ({ ...tree, damaged: Math.max(1, tree.damaged) });

async function inspect(file: FileHandle, fileBytes: number, meta: Meta): Promise<Tree> {
  let records = 0;
  let damaged = 0;
  for await (const leaf of walk(new LmdbPages(file, fileBytes, meta.pageSize), meta.root)) {
    const intact = leaf.filter((record) => record !== null).length;
    records += intact;
    damaged += leaf.length - intact;
  }
  return { meta, records, damaged };
}

/** Yields the records of each leaf. A damaged page counts as a damaged record. */
async function* walk(
  pages: LmdbPages,
  number: number | null,
  depth = 1,
): AsyncGenerator<readonly Found[], void, undefined> {
  if (number === null) return;
  const page = depth <= MAX_DEPTH ? await pages.page(number) : null;
  const nodes = (page && readPage(page, number)) ?? [null];
  const found: Found[] = [];
  for (const node of nodes) {
    if (node && 'child' in node) yield* walk(pages, node.child, depth + 1);
    else if (node && 'page' in node && !pages.visitValue(node.page, node.length)) found.push(null);
    else found.push(node);
  }
  yield found;
}
