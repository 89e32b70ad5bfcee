import { dirname, isAbsolute, posix, relative, sep } from 'node:path';

/** Names of files that do not depend on where an application is deployed, so that an error stays in one issue. */
export class FrameNames {
  readonly #root: string | undefined;
  readonly #main: string;

  /**
   * @param root the directory that filenames are relative to
   * @param main the directory that modules are relative to
   */
  constructor(root = workingDirectory(), main = mainDirectory() ?? root) {
    this.#root = root;
    this.#main = slashed(main ?? '');
  }

  /** Relative to the working directory, with `/`; unchanged if it is not an absolute path. */
  filenameOf(path: string): string {
    if (this.#root === undefined || !isAbsolute(path)) return path;
    return slashed(relative(this.#root, path));
  }

  /** `orders:orders.service` for `orders/orders.service.js`; undefined if it is not an absolute path. */
  moduleOf(path: string): string | undefined {
    if (!isAbsolute(path)) return undefined;
    const { dir, base } = posix.parse(slashed(path));
    const file = base.replace(/\.[cm]?[jt]s$/, '');
    const folder = packageFolderOf(dir) ?? this.#folderOf(dir);
    return folder === '' ? file : `${folder.replaceAll('/', '.')}:${file}`;
  }

  #folderOf(dir: string): string {
    return this.#main !== '' && dir.startsWith(`${this.#main}/`) ? dir.slice(this.#main.length + 1) : '';
  }
}

function packageFolderOf(dir: string): string | undefined {
  const marker = '/node_modules/';
  const at = dir.lastIndexOf(marker);
  return at === -1 ? undefined : dir.slice(at + marker.length);
}

const slashed = (path: string): string => (sep === '\\' ? path.replaceAll('\\', '/') : path);

function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    // The directory was deleted.
    return undefined;
  }
}

function mainDirectory(): string | undefined {
  const script = process.argv.at(1);
  return script !== undefined && isAbsolute(script) ? dirname(script) : undefined;
}
