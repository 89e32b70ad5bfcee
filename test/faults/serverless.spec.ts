import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { closeAll, KEY, onClose, PATIENT, startPostHog } from '../support/harness.js';
import { PATIENCE_MS, until } from '../support/until.js';

const CHILD = fileURLToPath(new URL('../support/function-child.mjs', import.meta.url));

let lib: CompiledLib;
beforeAll(async () => void (lib = await compileLib()));
afterAll(() => lib.remove());
afterEach(closeAll);

/** A function whose process stops itself after each invocation. */
function startFunction(options: object) {
  const child = spawn(process.execPath, [CHILD, lib.path, JSON.stringify({ apiKey: KEY, ...PATIENT, ...options })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const results: string[] = [];
  createInterface(child.stdout).on('line', (line) => results.push(line));
  onClose(() => Promise.resolve(child.kill('SIGKILL')));
  return async (limitMs: number): Promise<void> => {
    const number = results.length + 1;
    child.stdin.write(`${JSON.stringify({ number, limitMs })}\n`);
    await until(() => {
      // A process that is not stopped yet ignores it.
      if (results.length < number) child.kill('SIGCONT');
      return results.length === number;
    });
    expect(results.at(-1)).toBe(String(number));
  };
}

it('delivers the events of all invocations before the process stops, and those of an outage in the next', async () => {
  const posthog = await startPostHog();
  // Only a flush ends the cool-down.
  const invoke = startFunction({ host: posthog.url, maxRetries: 1, retryBaseMs: 4, coolDownMs: 600_000 });
  const numbers = (): unknown[] => posthog.rows.map(({ properties }) => properties.number);
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
  for (let number = 1; number <= 50; number += 1) {
    const isDown = number > 20 && number <= 25;
    if (isDown) posthog.failAlways({ status: 503 });
    else posthog.failAlways(null);
    if (number === 35) posthog.failAlways({ hang: true });
    const before = posthog.requests.length;
    await invoke(number === 35 ? 500 : PATIENCE_MS);
    if (isDown) expect(numbers()).toEqual(upTo(20));
    else if (number === 35) await posthog.waitForRequests(before + 1);
    else expect(numbers()).toEqual(upTo(number));
  }
  expect(posthog.violations).toEqual([]);
});
