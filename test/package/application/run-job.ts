// Runs `posthog-capture run` from the installed package. Prints nothing on success.
import { deepEqual } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { FakePostHog } from 'nestjs-posthog-capture/testing';

async function main(): Promise<void> {
  const posthog = await FakePostHog.start();
  const args = ['--no-install', 'posthog-capture', 'run', '--event', 'page_view', '--distinct-id', 'user_123'];
  const job = spawn('npx', args, {
    env: { ...process.env, POSTHOG_HOST: posthog.url, POSTHOG_API_KEY: 'phc_test' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  job.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  // npm prints a warning if it does not support this Node.js.
  job.stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk.toString().replace(/^npm warn cli .*\n/gm, '')));
  const [code] = (await once(job, 'close')) as [number];
  deepEqual([output, code], ['{"success":true,"event":"page_view","distinct_id":"user_123","error":null}\n', 0]);
  deepEqual(
    posthog.events.map(({ event }) => event),
    ['page_view'],
  );
  await posthog.close();
}

void main();
