import { posix } from 'node:path';
import { enableShutdownHooks, rootModuleOf } from './edit-main.js';
import { addDependencies, readManifest } from './edit-manifest.js';
import { importCaptureModule } from './edit-module.js';
import { majorOf, peersFor } from './peers.js';

/** The files of an application. Paths are relative to its package.json and separated by `/`. */
export interface ProjectFiles {
  /** @returns undefined if there is no such file */
  read(path: string): string | undefined;
}

/** Changes that set the package up in an application. */
export interface SetupPlan {
  /** The new text of each file that changes. */
  readonly changes: ReadonlyMap<string, string>;
  /** Steps that are left to the user, with the code to insert. */
  readonly manual: readonly string[];
  /** package.json changes, so that packages must be installed. */
  readonly needsInstall: boolean;
}

const VARIABLES: Readonly<Record<string, string>> = {
  POSTHOG_API_KEY: '',
  POSTHOG_HOST: 'https://us.posthog.com',
};
const MODULE_SNIPPET = `import { PostHogCaptureModule } from 'nestjs-posthog-capture';

  @Module({
    imports: [PostHogCaptureModule.forRoot()],`;
const MAIN_SNIPPET = 'app.enableShutdownHooks();';

/** @param sourceRoot the folder of main.ts, e.g. `src` */
export function planSetup(files: ProjectFiles, sourceRoot: string): SetupPlan {
  const changes = new Map<string, string>();
  const manual: string[] = [];
  const edit = (path: string, text: string, edited: string | undefined, instructions: string): void => {
    if (edited === undefined) manual.push(`${path} was not changed, because it has an unusual form. ${instructions}`);
    else if (edited !== text) changes.set(path, edited);
  };

  const main = sourceFile(files, posix.join(sourceRoot, 'main'));
  const module = sourceFile(files, posix.join(sourceRoot, (main && rootModuleOf(main.text)) ?? 'app.module'));
  const importModule = `Import the module in it:\n\n  ${MODULE_SNIPPET}\n`;
  if (module) edit(module.path, module.text, importCaptureModule(module.text), importModule);
  else manual.push(`The root module was not found in ${sourceRoot}. ${importModule}`);
  const callHooks = `Call this before listen(), or events in the queue are lost at SIGTERM:\n\n  ${MAIN_SNIPPET}\n`;
  if (main) edit(main.path, main.text, enableShutdownHooks(main.text), callHooks);
  else manual.push(`main.ts was not found in ${sourceRoot}. ${callHooks}`);

  const example = files.read('.env.example') ?? '';
  const withVariables = addVariables(example);
  if (withVariables !== example) changes.set('.env.example', withVariables);

  const needsInstall = planDependencies(files, changes, manual);
  return { changes, manual, needsInstall };
}

function planDependencies(files: ProjectFiles, changes: Map<string, string>, manual: string[]): boolean {
  const text = files.read('package.json') ?? '';
  const manifest = readManifest(text);
  const present = manifest?.dependencies ?? {};
  const version = readManifest(files.read('node_modules/@nestjs/core/package.json'))?.version;
  const nest = majorOf(version ?? present['@nestjs/core'] ?? present['@nestjs/common'] ?? '');
  const peers = nest === undefined ? undefined : peersFor(nest);
  if (nest === undefined || peers === undefined || manifest === undefined) {
    const found = nest === undefined ? 'Nest was not found in it' : `Nest ${nest} is not supported`;
    manual.push(`package.json was not changed: ${found}. The package needs Nest 10, 11 or 12.\n`);
    return false;
  }
  for (const [name, range] of Object.entries(peers)) {
    const wrong = name.startsWith('@nestjs/') && (majorOf(present[name] ?? '') ?? 0) > (majorOf(range) ?? 0);
    if (!wrong) continue;
    const major = majorOf(range) ?? 0;
    manual.push(
      `${name} ${present[name] ?? ''} is for Nest 12; Jest cannot load it in a CommonJS application of Nest ${nest}:\n\n` +
        `  npm install ${name}@${major}\n`,
    );
  }
  const edited = addDependencies(text, manifest, peers);
  if (edited === text) return false;
  changes.set('package.json', edited);
  return true;
}

function sourceFile(files: ProjectFiles, path: string): { path: string; text: string } | undefined {
  for (const file of [`${path}.ts`, `${path}.js`]) {
    const text = files.read(file);
    if (text !== undefined) return { path: file, text };
  }
  return undefined;
}

function addVariables(text: string): string {
  const missing = Object.entries(VARIABLES).filter(([name]) => !new RegExp(`^\\s*#?\\s*${name}\\s*=`, 'm').test(text));
  if (missing.length === 0) return text;
  const newline = text === '' || text.endsWith('\n') ? '' : '\n';
  return `${text}${newline}${missing.map(([name, value]) => `${name}=${value}\n`).join('')}`;
}
