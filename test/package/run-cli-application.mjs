// Makes an application with the Nest CLI, sets the package up in it as README.md says, and runs what the documentation shows.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { copy, install, manifest, newFolder, run, write, writeJson } from '../../scripts/application.mjs';
import { ROOT } from '../../scripts/lib.mjs';
import { checkRemedies } from './check-remedies.mjs';
import { startRegistry } from './registry.mjs';

const KEY = 'phc_application';
const QUICK = {
  npm_config_prefer_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_yes: 'true',
};
/** What an application is made with and does not need here: half of its packages. */
const UNNEEDED = /eslint|prettier|oxlint|globals|ts-loader|source-map-support|coverage|mau/;
/** What the setup changes, or adds. */
const CHANGED = ['package.json', '.env.example', 'src/main.ts', 'src/app.module.ts'];

/** @returns what it ran on */
export async function runCliApplication(kind, tools) {
  const { cli, modules, setUp, npm, node: wanted, remedies } = kind;
  const node = tools.node(wanted);
  const folder = await makeApplication(cli, modules);
  const registry = await startRegistry(folder);
  const path = npm === undefined ? '' : `${await npmFolder(npm)}${delimiter}`;
  const env = { ...QUICK, PATH: `${path}${join(node.path, '..')}${delimiter}${process.env.PATH}` };
  const command = (line, more = registry.env) => run(folder, 'sh', ['-c', line], { env: { ...env, ...more } });
  try {
    // Its own packages from the cache, which knows the address of the configured registry.
    await command('npm install', {});
    await SET_UP[setUp](folder, command);
    await checkPeers(folder);
    await addExamples(folder, modules);
    await command('npm run build');
    await command('npm test');
    // The CLI's own test boots the application as it is.
    await command('npm run test:e2e', { POSTHOG_API_KEY: KEY });
    await checkShutdown(folder, node.path);
    if (remedies) await checkRemedies(command, KEY);
  } finally {
    registry.close();
  }
  return [node.version];
}

const SET_UP = {
  async 'README.md'(folder, command) {
    await command(installLine());
    // By hand, as README.md and docs/installation.md show it.
    edit(folder, 'src/app.module.ts', 'imports: []', 'imports: [PostHogCaptureModule.forRoot()]');
    edit(folder, 'src/app.module.ts', /^/, "import { PostHogCaptureModule } from 'nestjs-posthog-capture';\n");
    edit(folder, 'src/main.ts', /^( *)await app\.listen/m, '$1app.enableShutdownHooks();\n$&');
  },
  async 'nest add'(folder, command) {
    // The CLI installs the package first, also for a dry run.
    let output;
    await checkAgain(
      folder,
      async () => ({ stdout: output } = await command(`npx nest add ${manifest.name} --dry-run`)),
      CHANGED.filter((file) => file !== 'package.json'),
    );
    for (const file of CHANGED) assert.ok(output.includes(` ${file} (`), `${file} in\n${output}`);
    await command(`npx nest add ${manifest.name}`);
    await checkAgain(folder, () => command(`npx nest add ${manifest.name} --skip-install`));
  },
  async init(folder, command) {
    await command(`npm install ${manifest.name}`);
    await checkAgain(folder, () => command(`npx ${manifest.name} init --dry-run`));
    await command(`npx ${manifest.name} init`);
    await checkAgain(folder, () => command(`npx ${manifest.name} init`));
  },
};

/** The command of README.md, section "Install": one for every version of Nest. */
function installLine() {
  const [, section] = /\n## Install\n([^]*?)\n## /.exec(readFileSync(`${ROOT}README.md`, 'utf8'));
  const lines = [...section.matchAll(/^```bash\n([^]*?)^```$/gm)].map(([, code]) => code);
  assert.equal(lines.length, 1, 'README.md has one install line');
  return lines[0];
}

async function makeApplication(cli, modules) {
  const maker = await install(`cli-${cli}`, { '@nestjs/cli': `^${cli}.0.0` }, { bare: true });
  const parent = newFolder('application');
  const args = ['new', 'application', '--package-manager', 'npm', '--skip-git', '--skip-install'];
  if (modules === 'CommonJS' && cli === '12') {
    // What the CLI asks for on a terminal.
    const schematics = join(maker, 'node_modules/@angular-devkit/schematics-cli/bin/schematics.js');
    const answers = ['--name=application', '--type=cjs', '--language=ts', '--package-manager=npm', '--no-interactive'];
    await run(parent, 'node', [schematics, '@nestjs/schematics:application', ...answers]);
  } else {
    await run(parent, 'node', [join(maker, 'node_modules/@nestjs/cli/bin/nest.js'), ...args]);
  }
  const folder = join(parent, 'application');
  const its = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const needed = Object.entries(its.devDependencies).filter(([name]) => !UNNEEDED.test(name));
  writeJson(folder, 'package.json', { ...its, devDependencies: Object.fromEntries(needed) });
  return folder;
}

async function npmFolder(version) {
  return join(await install(`npm-${version}`, { npm: `^${version}.0.0` }, { bare: true }), 'node_modules/.bin');
}

/** Runs a command that must change none of the files. */
async function checkAgain(folder, command, files = CHANGED) {
  const read = () =>
    files.map((file) => (existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : ''));
  const before = read();
  await command();
  assert.deepEqual(read(), before);
}

/** npm has no complaint about what is installed. */
async function checkPeers(folder) {
  const needed = Object.keys(manifest.peerDependencies).filter((name) =>
    existsSync(join(folder, 'node_modules', name)),
  );
  for (const name of ['axios', 'class-validator', 'class-transformer']) assert.ok(needed.includes(name), name);
  await run(folder, 'npm', ['ls', ...needed, manifest.name]);
}

/** The examples of README.md and docs/testing.md, as they stand there. */
async function addExamples(folder, modules) {
  const isModule = modules === 'ES modules';
  for (const [, file, code] of examplesOf('README.md', 'src/orders.controller.ts')) write(folder, file, code);
  const testing = examplesOf('docs/testing.md');
  const [jest, vitest] = testing.filter(([, file]) => file.endsWith('.spec.ts'));
  for (const [, file, code] of [...testing.filter(([, file]) => !file.endsWith('.spec.ts')), isModule ? vitest : jest])
    write(folder, file, code);
  const ending = isModule ? '.js' : '';
  copy('test/runners/src/purchases.controller.ts', folder, 'src/purchases.controller.ts');
  if (!isModule) edit(folder, 'src/purchases.controller.ts', /(from '\.[^']*)\.js'/g, "$1'");
  const e2e = readFileSync(`${ROOT}docs/testing.md`, 'utf8').match(
    /^```ts\n((?:(?!^```)[^])*describe\('POST \/purchases'[^]*?)^```$/m,
  )[1];
  const written = isModule
    ? e2e.replace('testing/jest', 'testing/vitest').replace("app.module'", "app.module.js'")
    : e2e;
  write(folder, 'test/purchases.e2e-spec.ts', written);
  // The CLI's own test of the application needs a key, or a recorder.
  const settings = 'PostHogCaptureModule.forRoot()';
  assert.ok(readFileSync(join(folder, 'src/app.module.ts'), 'utf8').includes(`imports: [${settings}]`));
  edit(folder, 'src/app.module.ts', 'controllers: [', 'controllers: [OrdersController, PurchasesController, ');
  edit(folder, 'src/app.module.ts', 'providers: [', 'providers: [PurchasesService, ');
  for (const [name, file] of [
    ['OrdersController', 'orders.controller'],
    ['PurchasesController', 'purchases.controller'],
    ['PurchasesService', 'purchases.service'],
  ])
    edit(folder, 'src/app.module.ts', /^/, `import { ${name} } from './${file}${ending}';\n`);
}

/** The blocks of a page that begin with the name of their file. */
function examplesOf(page, only) {
  const text = readFileSync(ROOT + page, 'utf8');
  const blocks = [...text.matchAll(/^```ts\n(?:\/\/ (\S+\.ts)\n)([^]*?)^```$/gm)];
  const examples = only === undefined ? blocks : blocks.filter(([, file]) => file === only);
  assert.ok(examples.length > 0, `${page} has examples`);
  return examples;
}

function edit(folder, file, from, to) {
  const text = readFileSync(join(folder, file), 'utf8');
  const edited = text.replace(from, to);
  assert.notEqual(edited, text, `${file}: nothing to replace`);
  write(folder, file, edited);
}

/** Starts the application, captures one event that nothing sends before the end, and stops it with SIGTERM. */
async function checkShutdown(folder, node) {
  const { FakePostHog } = await import(`${ROOT}dist/esm/testing/index.js`);
  const posthog = await FakePostHog.start({ apiKey: KEY });
  const port = await freePort();
  const main = ['dist/main.js', 'dist/src/main.js'].find((file) => existsSync(join(folder, file)));
  const settings = {
    POSTHOG_API_KEY: KEY,
    POSTHOG_HOST: posthog.url,
    POSTHOG_FLUSH_INTERVAL_MS: '600000',
    PORT: String(port),
  };
  const application = spawn(node, [main], {
    cwd: folder,
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(application, 'exit');
  let output = '';
  const started = new Promise((resolve) => {
    for (const stream of [application.stdout, application.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
        if (output.includes('successfully started')) resolve(true);
      });
  });
  try {
    assert.ok(await Promise.race([started, ended.then(() => false)]), `the application did not start\n${output}`);
    const body = JSON.stringify({ customer: 'user_1', total: 9.9 });
    // It has started a moment before it listens.
    const response = await retry(() =>
      fetch(`http://127.0.0.1:${port}/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      }),
    );
    assert.equal(response.status, 201);
    assert.equal(posthog.events.length, 0);
    application.kill('SIGTERM');
    await ended;
    assert.deepEqual(
      posthog.events.map(({ event }) => event),
      ['order_placed'],
      output,
    );
  } finally {
    application.kill('SIGKILL');
    await posthog.close();
  }
}

async function retry(request) {
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (error.cause?.code !== 'ECONNREFUSED') throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
