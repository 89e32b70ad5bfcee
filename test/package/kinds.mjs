// Kinds of applications for scripts/test-package.mjs. Not every combination, but every version of Node.js with every version of Nest
// in both module systems, and each pair of options that may conflict.

/** Supported versions. */
const NODES = ['20', '22', '24', '26'];

/** Compilers. TypeScript compilers also check the types of all packages, with `resolution` as moduleResolution. */
export const COMPILERS = {
  'tsc 5.4 (node10)': { typescript: '5.4', module: 'commonjs', resolution: 'node10' },
  'tsc 5.4 (node16)': { typescript: '5.4', module: 'node16', resolution: 'node16' },
  'tsc 5.9 (node10)': { typescript: '5.9', module: 'commonjs', resolution: 'node10' },
  'tsc 5.9 (node16)': { typescript: '5.9', module: 'node16', resolution: 'node16' },
  'tsc 5.9 (nodenext)': { typescript: '5.9', module: 'nodenext', resolution: 'nodenext' },
  'tsc 5.9 (bundler)': { typescript: '5.9', module: 'esnext', resolution: 'bundler' },
  'tsc 6.0 (nodenext)': { typescript: '6.0', module: 'nodenext', resolution: 'nodenext' },
  'tsc 6.0 (bundler)': { typescript: '6.0', module: 'esnext', resolution: 'bundler' },
  'tsc 6.0 (bundler, CommonJS)': { typescript: '6.0', module: 'commonjs', resolution: 'bundler' },
  'tsc 7.0 (nodenext)': { typescript: '7.0', module: 'nodenext', resolution: 'nodenext' },
  swc: { swc: true },
  tsx: { tsx: true },
};

/** Boots, serves requests, captures and ends, without any optional peer. */
const application = (nest, modules, http, compiler, more) => ({
  name: `Nest ${nest}, ${modules}, ${http}, ${compiler}`,
  ...{ sources: 'application', programs: ['main'], nodes: NODES },
  ...{ nest, modules, http, compiler },
  ...more,
});
const CORE = { core: true };
/** Also sends one event from the command line. */
const JOB = { programs: ['main', 'run-job'] };
/** All peers in their oldest supported versions. Uses swc, because the types of Nest 10.0.0 do not compile. */
const OLDEST = { ...JOB, nodes: ['20.0'] };

/** Keeps events on disk during an outage. */
const store = (nest, modules, compiler, more) => ({
  name: `Nest ${nest}, ${modules}, store, ${compiler}`,
  ...{ sources: 'application', programs: ['store'], nodes: NODES, peers: true },
  ...{ nest, modules, compiler },
  ...more,
});

/** An ES module application with a CommonJS part. */
const bothBuilds = (nest, compiler, more) => ({
  name: `Nest ${nest}, both builds in one process, ${compiler}`,
  ...{ sources: 'both-builds', programs: ['main'], modules: 'ES modules', nodes: NODES, peers: true },
  ...{ nest, compiler },
  ...more,
});

/** Imports every sub-path; compiled only. */
const types = (nest, modules, compiler, more) => ({
  name: `Nest ${nest}, types of all sub-paths, ${compiler}`,
  ...{ sources: 'types', programs: [], nodes: [], peers: true },
  ...{ nest, modules, compiler },
  ...more,
});

/** `core` marks the kinds of the fast core. */
export const KINDS = [
  application('10', 'CommonJS', 'Express', 'tsc 5.4 (node10)', { ...CORE, ...JOB }),
  application('10', 'CommonJS', 'Fastify', 'swc'),
  application('10', 'CommonJS', 'Express', 'tsx'),
  application('10', 'ES modules', 'Fastify', 'tsc 5.4 (node16)'),
  application('10', 'ES modules', 'Express', 'tsx'),
  application('11', 'CommonJS', 'Fastify', 'tsc 5.9 (node16)'),
  application('11', 'CommonJS', 'Express', 'tsc 5.9 (node10)'),
  application('11', 'CommonJS', 'Express', 'swc'),
  application('11', 'CommonJS', 'Fastify', 'tsx'),
  application('11', 'ES modules', 'Express', 'tsc 5.9 (nodenext)', JOB),
  application('11', 'ES modules', 'Fastify', 'tsc 5.9 (bundler)'),
  application('11', 'ES modules', 'Fastify', 'tsx', CORE),
  application('12', 'CommonJS', 'Express', 'tsc 6.0 (nodenext)'),
  application('12', 'CommonJS', 'Fastify', 'tsc 6.0 (bundler, CommonJS)'),
  application('12', 'CommonJS', 'Fastify', 'swc', CORE),
  application('12', 'CommonJS', 'Express', 'tsx'),
  application('12', 'ES modules', 'Fastify', 'tsc 6.0 (nodenext)', { ...CORE, ...JOB }),
  application('12', 'ES modules', 'Express', 'tsc 6.0 (bundler)'),
  application('12', 'ES modules', 'Fastify', 'tsc 7.0 (nodenext)'),
  application('12', 'ES modules', 'Express', 'swc'),
  application('12', 'ES modules', 'Fastify', 'tsx'),
  application('oldest', 'CommonJS', 'Express', 'swc', OLDEST),
  application('oldest', 'ES modules', 'Express', 'swc', OLDEST),

  store('10', 'CommonJS', 'swc'),
  store('11', 'ES modules', 'tsx'),
  store('12', 'CommonJS', 'swc', CORE),
  store('12', 'ES modules', 'swc', CORE),

  bothBuilds('10', 'tsc 5.4 (node16)'),
  bothBuilds('11', 'tsc 5.9 (nodenext)'),
  bothBuilds('12', 'tsc 6.0 (nodenext)', CORE),

  types('10', 'CommonJS', 'tsc 5.4 (node10)'),
  types('10', 'ES modules', 'tsc 5.4 (node16)'),
  types('11', 'CommonJS', 'tsc 5.9 (node10)'),
  types('11', 'ES modules', 'tsc 5.9 (node16)'),
  types('11', 'ES modules', 'tsc 5.9 (bundler)'),
  types('12', 'ES modules', 'tsc 6.0 (nodenext)', CORE),
  types('12', 'CommonJS', 'tsc 6.0 (bundler, CommonJS)'),
  types('12', 'ES modules', 'tsc 7.0 (nodenext)'),
];
