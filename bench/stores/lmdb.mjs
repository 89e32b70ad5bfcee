// Two designs on LMDB: a file per process, and one environment that all processes write.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { BlockStore } from './block-store.mjs';
import { isAlive } from './processes.mjs';

const require = createRequire(import.meta.url);
/** Like the store: no fsync, so that commits survive the death of the process, but not a loss of power. */
const SETTINGS = {
  noSubdir: true,
  encoding: 'binary',
  compression: false,
  cache: false,
  noSync: true,
  overlappingSync: false,
};
/** Records of a block: its bytes, and the list of its removed events. */
const STEP = 2;

export const lmdbFiles = (path) => new BlockStore(() => new LmdbFiles(path));
export const lmdbShared = (path) => new BlockStore(() => new LmdbShared(path));

const open = (path, maxReaders) => require('lmdb').open({ ...SETTINGS, maxReaders, path });

const inspected = new Set();

/** Opening a damaged file may crash the process, so another process tries it first, once. */
function inspect(all) {
  const paths = all.filter((path) => !inspected.has(path));
  if (paths.length === 0) return;
  for (const path of paths) inspected.add(path);
  const script = `for (const path of JSON.parse(require('fs').readFileSync(0, 'utf8'))) {
    const database = require(process.argv[1]).open({ ...JSON.parse(process.argv[2]), path });
    for (const { value } of database.getRange()) value.length;
  }`;
  execFileSync(process.execPath, ['--eval', script, require.resolve('lmdb'), JSON.stringify(SETTINGS)], {
    input: JSON.stringify(paths),
  });
}

function writeBlock(database, key, bytes) {
  database.putSync(key, bytes);
}

function writeChange(database, { at: { key }, left, removed }) {
  if (left > 0) {
    database.putSync(key + 1, Buffer.from(JSON.stringify(removed)));
  } else {
    database.removeSync(key);
    database.removeSync(key + 1);
  }
}

function* blocksOf(database, range) {
  let block = null;
  for (const { key, value } of database.getRange(range)) {
    if (key % STEP === 1) {
      block.removed = JSON.parse(value.toString());
      continue;
    }
    if (block) yield block;
    block = { bytes: value, removed: [], at: { database, key } };
  }
  if (block) yield block;
}

class LmdbFiles {
  #path;
  #name = `${process.pid}-${randomBytes(6).toString('hex')}`;
  #own;
  #databases;
  #key = 0;

  constructor(path) {
    this.#path = path;
    this.#own = open(join(path, `${this.#name}.mdb`), 8);
    this.#databases = [this.#own];
  }

  write(added, changed) {
    this.#own.transactionSync(() => {
      for (const { block, bytes } of added) {
        this.#key += STEP;
        block.at = { database: this.#own, key: this.#key };
        writeBlock(this.#own, this.#key, bytes);
      }
      for (const block of changed) if (block.at.database === this.#own) writeChange(this.#own, block);
    });
    for (const database of this.#databases.slice(1)) {
      const its = changed.filter((block) => block.at.database === database);
      if (its.length > 0) database.transactionSync(() => its.forEach((block) => writeChange(database, block)));
    }
  }

  *leftovers() {
    const names = readdirSync(this.#path).filter((name) => name.endsWith('.mdb') && !isAlive(parseInt(name)));
    const adopted = names.map((name) => {
      const path = join(this.#path, `${this.#name}.${name}`);
      renameSync(join(this.#path, name), path);
      rmSync(join(this.#path, `${name}-lock`), { force: true });
      return path;
    });
    inspect(adopted);
    for (const path of adopted) {
      const database = open(path, 8);
      this.#databases.push(database);
      yield* blocksOf(database, {});
    }
  }

  async close() {
    for (const database of this.#databases) await database.close();
  }
}

/** Owners have numbers, which are the upper part of the keys of their blocks. The record of an owner holds its pid. */
const OWNER = 2 ** 32;

class LmdbShared {
  #database;
  #owner;
  #key;

  constructor(path) {
    const file = join(path, 'shared.mdb');
    if (readdirSync(path).includes('shared.mdb')) inspect([file]);
    this.#database = open(file, 126);
    this.#database.transactionSync(() => {
      const [last = 0] = this.#database.getKeys({ reverse: true, limit: 1 });
      this.#owner = Math.floor(last / OWNER) + 1;
      this.#database.putSync(this.#owner * OWNER, Buffer.from(String(process.pid)));
    });
    this.#key = this.#owner * OWNER;
  }

  write(added, changed) {
    this.#database.transactionSync(() => {
      for (const { block, bytes } of added) {
        this.#key += STEP;
        block.at = { key: this.#key };
        writeBlock(this.#database, this.#key, bytes);
      }
      for (const block of changed) writeChange(this.#database, block);
    });
  }

  *leftovers() {
    const adopted = [];
    this.#database.transactionSync(() => {
      for (const owner of this.#owners()) {
        const pid = Number(this.#database.get(owner * OWNER));
        if (isAlive(pid)) continue;
        this.#database.putSync(owner * OWNER, Buffer.from(String(process.pid)));
        adopted.push(owner);
      }
    });
    for (const owner of adopted)
      yield* blocksOf(this.#database, { start: owner * OWNER + STEP, end: (owner + 1) * OWNER });
  }

  *#owners() {
    for (let from = 0; ;) {
      const [key] = this.#database.getKeys({ start: from, limit: 1 });
      if (key === undefined) return;
      const owner = Math.floor(key / OWNER);
      yield owner;
      from = (owner + 1) * OWNER;
    }
  }

  close() {
    return this.#database.close();
  }
}
