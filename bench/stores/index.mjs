/** The compared designs: the module of each, and the package that it needs. In a `shared` one, all processes write the same file. */
export const DESIGNS = [
  { label: 'nothing is kept', module: 'nothing', open: 'nothing' },
  { label: 'lmdb, a file per process', module: 'lmdb', open: 'lmdbFiles', needs: 'lmdb' },
  { label: 'lmdb, one shared environment', module: 'lmdb', open: 'lmdbShared', shared: true, needs: 'lmdb' },
  {
    label: 'SQLite (node:sqlite), one shared database',
    module: 'sqlite',
    open: 'nodeSqlite',
    shared: true,
    needs: 'node:sqlite',
  },
  {
    label: 'SQLite (better-sqlite3), one shared database',
    module: 'sqlite',
    open: 'betterSqlite',
    shared: true,
    needs: process.env.BENCH_BETTER_SQLITE3 ?? 'better-sqlite3',
  },
  { label: 'journal (this package)', module: 'journal', open: 'journal' },
];

/** Opens an `EventStore` on a directory. */
export async function openStore({ module, open }, path) {
  const { [open]: openDesign } = await import(`./${module}.mjs`);
  return openDesign(path);
}
