import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type QueuedEvent } from '../delivery/delivery.js';
import { type CrashDelivery, decodeDelivered, encodeCrash } from './crash-message.js';
import { LOCATION } from './location.js';

/** The exit of the process is delayed by no more than this. */
export const CHILD_TIMEOUT_MS = 2000;
/** Enough for the crash itself. */
const MIN_TIMEOUT_MS = 1000;
/** A line of a few bytes per event. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** The only variables that the child process gets: others may be secrets, or change what Node does. */
const VARIABLE = /^NODE_EXTRA_CA_CERTS$|(?:^|_)proxy$/i;
/** Flags of this process that decide which servers are trusted, and how they are reached. */
const FLAG = /^--(?:use-(?:system|openssl|bundled)-ca|openssl-|tls-|dns-result-order|(?:no-)?network-family)/;

const HERE = LOCATION.startsWith('file:') ? fileURLToPath(LOCATION) : LOCATION;
/** Both builds start the program of the CommonJS build: it loads faster, and with Yarn Plug'n'Play it needs no loader of ES modules. */
const COMMONJS = join(dirname(HERE), '../../cjs/crash/crash-sender.js');
const BESIDE = join(dirname(HERE), `crash-sender${extname(HERE)}`);

const findProgram = (): string | undefined => [COMMONJS, BESIDE].find((path) => existsSync(path));

/** The reason why no child process can send events, or undefined. */
export function childProblem(): string | undefined {
  if (findProgram() === undefined) return 'the package is part of a bundle. Mark nestjs-posthog-capture as external';
  if (isSingleExecutable()) return 'the application is a single executable';
  const { permission } = process as Partial<NodeJS.Process>;
  const isAllowed = permission === undefined || permission.has('child');
  return isAllowed ? undefined : 'the process lacks the permission to start one. Allow it (--allow-child-process)';
}

/**
 * Sends events from a child process, and blocks until that has ended. Nothing of it is visible: the key and the events go through its
 * standard input, and its output is read here.
 *
 * @returns for each delivery the events that were delivered. Never throws
 */
export function sendFromChild(deliveries: readonly CrashDelivery[]): readonly ReadonlySet<QueuedEvent>[] {
  try {
    const program = findProgram();
    if (program === undefined || childProblem() !== undefined) return [];
    const flags = process.execArgv.filter((flag) => FLAG.test(flag));
    const startedAt = performance.now();
    const input = encodeCrash(deliveries);
    const { stdout } = spawnSync(process.execPath, [...flags, ...plugAndPlayFlags(), program], {
      input,
      encoding: 'utf8',
      env: childEnvironment(),
      stdio: ['pipe', 'pipe', 'ignore'],
      // Writing a queue of many megabytes takes a part of the time.
      timeout: Math.max(MIN_TIMEOUT_MS, CHILD_TIMEOUT_MS - Math.round(performance.now() - startedAt)),
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
      windowsHide: true,
    });
    return decodeDelivered(stdout, deliveries);
  } catch {
    return [];
  }
}

function childEnvironment(): NodeJS.ProcessEnv {
  const given = Object.entries(process.env).filter(([name]) => VARIABLE.test(name));
  return {
    ...Object.fromEntries(given),
    ...(process.versions.electron !== undefined && { ELECTRON_RUN_AS_NODE: '1' }),
  };
}

/** With Yarn Plug'n'Play, files are in archives that only its hooks can read. */
const plugAndPlayFlags = (): readonly string[] =>
  process.versions.pnp === undefined ? [] : ['--require', createRequire(LOCATION).resolve('pnpapi')];

/** Then `process.execPath` is the application, not Node. */
function isSingleExecutable(): boolean {
  if ('pkg' in process) return true;
  const sea = (process as Partial<NodeJS.Process>).getBuiltinModule?.('node:sea');
  return sea?.isSea() === true;
}
