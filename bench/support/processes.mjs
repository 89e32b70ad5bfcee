// Separate processes for measured and unmeasured code, and calls between them.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LONGEST_CALL_MS = 15 * 60_000;

/** The environment without any PostHog settings. */
function cleanEnvironment(more) {
  const names = Object.keys(process.env).filter((name) => !name.startsWith('POSTHOG_'));
  return { ...Object.fromEntries(names.map((name) => [name, process.env[name]])), ...more };
}

/**
 * Starts `processes/<name>.mjs`. `call` calls one of its functions; `stop` ends it and deletes its `folder`. If the process exits,
 * throws or does not respond, the call fails, and with it the benchmark.
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
    for (const { reject } of waiting.values()) reject(new Error(`${name} exited with ${code} before it responded`));
  });
  return {
    folder,
    pid: child.pid,
    call(method, argument) {
      const id = (calls += 1);
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${name}.${method} did not respond`)), LONGEST_CALL_MS);
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

/** Runs a function with a process, then stops the process. */
export async function withProcess(name, options, use) {
  const child = startProcess(name, options);
  try {
    return await use(child);
  } finally {
    await child.stop();
  }
}

/** In the child process: serves the calls of its parent. */
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
