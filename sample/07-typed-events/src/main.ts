import { NestFactory } from '@nestjs/core';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { AppModule } from './app.module.js';

const PORT = Number(process.env.PORT ?? 3000);

// Without an API key, use a local PostHog with a page that shows its events.
const posthog = process.env.POSTHOG_API_KEY ? undefined : await FakePostHog.start();
if (posthog) Object.assign(process.env, { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });

const app = await NestFactory.create(AppModule, { logger: ['warn', 'error', 'fatal'] });
app.enableShutdownHooks();
await app.listen(PORT);

const url = `http://localhost:${PORT}`;
const post = `curl -X POST -H 'content-type: application/json' -H 'x-user: ann' ${url}`;
console.log(`Events:     ${posthog?.url ?? process.env.POSTHOG_HOST ?? 'PostHog'}
Inspector:  ${url}/_posthog (c: the catalog)
An order, and one that breaks the definition of its event:
  ${post}/orders -d '{"id":"o1","total":42,"email":"ann@example.com"}'
  ${post}/orders -d '{"id":"o2","total":-1}'
An event that is limited to three per hour and person:
  curl ${url}/cart -H 'x-user: ann'
A webhook that may come twice:
  ${post}/webhooks/payments -d '{"id":"p1","order":"o1","amount":42,"customer":"ann","paidAt":"2026-01-02T03:04:05Z"}'
Press Ctrl-C to stop.`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void posthog?.close());
}
