// Runs the examples of docs/testing.md in an application of test/package/runners.mjs, with the types of all packages checked.
import { copy, install, nest, own, run, STRICT, typeOf, write, writeJson } from '../../scripts/application.mjs';

/**
 * @param nodes versions of Node.js to run them on, or undefined for the one of this process
 * @returns the versions of Node.js that ran them
 */
export async function runTests(runner, tools, nodes) {
  const { nest: version, modules, tests, dependencies, compilerOptions, files, run: args } = runner;
  const packages = { ...nest(version, 'platform-express', 'testing'), ...own('@types/node'), ...dependencies };
  const folder = await install('tests', packages, { type: typeOf(modules) });
  writeJson(folder, 'tsconfig.json', {
    compilerOptions: { ...STRICT, noEmit: true, ...compilerOptions },
    include: ['src', 'test'],
  });
  for (const [file, text] of Object.entries(files)) write(folder, file, text);
  copy('test/runners/src', folder, 'src');
  copy(`test/runners/${tests}`, folder, 'test');
  await run(folder, 'node', ['node_modules/typescript/bin/tsc', '-p', '.']);
  const used = nodes.map((wanted) => tools.node(wanted));
  for (const { path } of used) await run(folder, 'node', args, { node: path });
  return used.map((node) => node.version);
}
