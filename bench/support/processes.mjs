// Processes of their own for what is measured and for what is not, and calls between them.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LONGEST_CALL_MS = 15 * 60_000;

/** Nothing of what this machine has set for PostHog reaches a client. */
function cleanEnvironment(more) {
  const names = Object.keys(process.env).filter((name) => !name.startsWith('POSTHOG_'));
  return { ...Object.fromEntries(names.map((name) => [name, process.env[name]])), ...more };
}

/**
 * Starts `processes/<name>.mjs`. `call` asks it something; `stop` ends it and deletes `folder`, which is its own. A process that
 * ends by itself, throws or does not answer fails the call, and with it the benchmark.
 */
export function startProcess(name, { env = {} } = {}) {
  const file = fileURLToPath(new URL(`../processes/${name}.mjs`, import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'posthog-capture-bench-'));
  const child = fork(file, { execArgv: ['--expose-gc'], env: cleanEnvironment(env), serialization: 'advanced' });
  const waiting = new Map();
  let calls = 0;
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error === undefined) resolve?.(result);
    else reject?.(new Error(`${name}: ${error}`));
  });
  child.once('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${name} ended with ${code} before it answered`));
  });
  return {
    folder,
    call(method, argument) {
      const id = (calls += 1);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${name}.${method} did not answer`)), LONGEST_CALL_MS);
        const settle = (end) => (value) => {
          clearTimeout(timer);
          end(value);
        };
        waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
        child.send({ id, method, argument });
      });
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs something with a process, and ends the process. */
export async function withProcess(name, options, use) {
  const child = startProcess(name, options);
  try {
    return await use(child);
  } finally {
    await child.stop();
  }
}

/** In a process: answers the calls of its parent. */
export function serve(methods) {
  process.on('message', async ({ id, method, argument }) => {
    try {
      process.send({ id, result: await methods[method](argument) });
    } catch (error) {
      process.send({ id, error: error.stack });
    }
  });
  process.once('disconnect', () => process.exit());
}
