import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';

/** Names of files next to the imported one can be guessed: another user of the machine may have put a link or a pipe there. */
const GUARDED = constants.O_NOFOLLOW | constants.O_NONBLOCK;
const MODE = 0o600;

/** @throws if the path is a link or no regular file */
async function openGuarded(path: string, flags: number): Promise<FileHandle> {
  const file = await open(path, flags | GUARDED, MODE).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw new Error('it is a symbolic link');
    throw error;
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new Error('it is not a file');
}

/** Returns null if the file does not exist. */
export function openToRead(path: string): Promise<FileHandle | null> {
  return openGuarded(path, constants.O_RDONLY).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
}

export function openToAppend(path: string): Promise<FileHandle> {
  return openGuarded(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT);
}

/** Creates a file in place of what is there. */
export async function createFile(path: string): Promise<FileHandle> {
  await rm(path, { force: true });
  return open(path, 'wx', MODE);
}

export async function writeNewFile(path: string, text: string): Promise<void> {
  const file = await createFile(path);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}
