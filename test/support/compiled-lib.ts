import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The library as JavaScript, for child processes. */
export interface CompiledLib {
  /** The folder of `index.js`. */
  readonly path: string;
  remove(): Promise<void>;
}

/** Compiles lib/, because dist/ may be missing or outdated. The output is inside the repository, so that it can import packages. */
export async function compileLib(): Promise<CompiledLib> {
  const cache = join(ROOT, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const path = await mkdtemp(join(cache, 'lib-'));
  await writeFile(join(path, 'package.json'), '{"type":"module"}');
  const sources = (await readdir(join(ROOT, 'lib'), { recursive: true })).filter((name) => name.endsWith('.ts'));
  await Promise.all(
    sources.map(async (name) => {
      const target = join(path, name.replace(/\.ts$/, '.js'));
      const { code } = await transform(await readFile(join(ROOT, 'lib', name), 'utf8'), {
        filename: name,
        swcrc: false,
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          keepClassNames: true,
        },
        module: { type: 'es6' },
      });
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, code);
    }),
  );
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
