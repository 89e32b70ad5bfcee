// Applications as the Nest CLI makes them, for scripts/test-package.mjs.

/**
 * `setUp`: with the line of README.md, `nest add`, or `init`. `npm`: a major version of npm instead of the one of this machine.
 * `remedies`: also with versions of packages that the package refuses.
 */
const application = (cli, modules, setUp, more) => ({
  name: `CLI ${cli}, ${modules}, ${setUp}${more?.npm ? `, npm ${more.npm}` : ''}`,
  ...{ cli, modules, setUp },
  ...more,
});
const CORE = { core: true };

/** `core`: what the fast core is. */
export const CLI_KINDS = [
  application('10', 'CommonJS', 'README.md'),
  application('10', 'CommonJS', 'nest add'),
  application('10', 'CommonJS', 'init', { npm: '10' }),
  application('11', 'CommonJS', 'README.md', { ...CORE, remedies: true }),
  application('11', 'CommonJS', 'README.md', { npm: '10' }),
  application('11', 'CommonJS', 'nest add'),
  application('11', 'CommonJS', 'init'),
  application('12', 'ES modules', 'README.md'),
  application('12', 'ES modules', 'nest add', CORE),
  // Not with npm 10, which cannot install what this CLI makes.
  application('12', 'ES modules', 'init'),
  // Jest cannot require ES modules, which Nest 12 is, with older versions of Node.js.
  application('12', 'CommonJS', 'nest add', { node: '24' }),
];
