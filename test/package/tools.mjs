// Tools outside of the applications: compilers and versions of Node.js, all from npm.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { install, own } from '../../scripts/application.mjs';

const THIS_NODE = { path: process.execPath, version: process.versions.node };

/** @param nodes major versions of Node.js, in addition to that of this process */
export async function installTools(compilers, nodes) {
  const packages = {};
  for (const { typescript } of compilers) {
    if (typescript) packages[`typescript-${typescript}`] = `npm:typescript@~${typescript}.0`;
  }
  if (compilers.some(({ swc }) => swc)) Object.assign(packages, own('@swc/core'));
  if (compilers.some(({ tsx }) => tsx)) packages.tsx = '^4.20.0';
  for (const node of nodes) packages[`node-${node}`] = `npm:node-${process.platform}-${process.arch}@${node}`;
  const modules = join(await install('tools', packages, { bare: true }), 'node_modules');

  return {
    tsc: (version) => join(modules, `typescript-${version}/bin/tsc`),
    tsx: join(modules, 'tsx/dist/loader.mjs'),
    transform: (text, options) => createRequire(modules)('@swc/core').transformSync(text, options).code,
    /** Path of a Node.js binary. Default: that of this process. */
    node: (wanted) => (wanted === undefined ? THIS_NODE : nodeIn(join(modules, `node-${wanted}`))),
  };
}

function nodeIn(folder) {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return { path: join(folder, 'bin/node'), version: version.replace(/^v/, '') };
}
