import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { startRedis } from './redis.js';

const PORT = Number(process.env.PORT ?? 3000);
const REDIS_PORT = PORT + 10;

const env: NodeJS.ProcessEnv = { ...process.env };
const redis = env.REDIS_URL ? undefined : startRedis(REDIS_PORT);
env.REDIS_URL ??= `redis://127.0.0.1:${REDIS_PORT}`;

// Without an API key, use a local PostHog with a page that shows its events.
const posthog = env.POSTHOG_API_KEY ? undefined : await FakePostHog.start();
if (posthog) Object.assign(env, { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });

const start = (file: string, more: NodeJS.ProcessEnv = {}): ChildProcess =>
  fork(fileURLToPath(new URL(file, import.meta.url)), { env: { ...env, ...more } });
const pods = [0, 1].map((n) => start('./pod.js', { PORT: `${PORT + n}` }));
const relays = [start('./relay.js'), start('./relay.js')];

console.log(`Events:  ${posthog?.url ?? env.POSTHOG_HOST ?? 'PostHog'}
Relays:  ${relays.map(({ pid }) => pid).join(' ')}
Place an order at either pod:
  curl -X POST http://localhost:${PORT}/orders/1
  curl -X POST http://localhost:${PORT + 1}/orders/2
Kill a relay. The other one takes over within 16 seconds:
  kill -9 ${relays[0]?.pid}
Press Ctrl-C to stop.`);

// Pods first: they hand over what is left.
const stop = async (): Promise<void> => {
  for (const processes of [pods, relays]) {
    const running = processes.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ended = running.map((child) => once(child, 'exit'));
    for (const child of running) child.kill('SIGTERM');
    await Promise.all(ended);
  }
  redis?.stop();
  await posthog?.close();
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
