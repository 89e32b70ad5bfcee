import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { createApp } from './create-app.js';

// Without an API key, use a local PostHog with a page that shows its events.
if (!process.env.POSTHOG_API_KEY) {
  const posthog = await FakePostHog.start();
  Object.assign(process.env, { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });
  console.log(`Events:  ${posthog.url}`);
}

const port = Number(process.env.PORT ?? 3000);
const redis = process.env.REDIS_PORT ? Number(process.env.REDIS_PORT) : undefined;
const app = await createApp({
  http: process.env.HTTP === 'fastify' ? 'fastify' : 'express',
  sockets: process.env.SOCKETS === 'ws' ? 'ws' : 'socket.io',
  tcp: port + 1,
  redis,
});
await app.listen(port, '127.0.0.1');
const curl = `curl -X POST http://127.0.0.1:${port}`;
console.log(`Place an order:
  ${curl}/orders -H 'Authorization: Bearer ann@acme' -H 'Content-Type: application/json' -d '{"id":"tea"}'
  ${curl}/graphql -H 'Authorization: Bearer ann@acme' -H 'Content-Type: application/json' -d '{"query":"mutation { placeOrder(id: \\"tea\\") { total } }"}'
As a command and as a message:
  ${curl}/commands/tea -H 'Authorization: Bearer ann@acme'
  ${curl}/messages/tea -H 'Authorization: Bearer ann@acme'
${redis === undefined ? 'For jobs and messages over Redis, set REDIS_PORT=6379.' : `As a job:\n  ${curl}/jobs/tea -H 'Authorization: Bearer ann@acme'`}
Press Ctrl-C to stop.`);
