import { NestFactory } from '@nestjs/core';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { AppModule } from './app.module.js';

const PORT = Number(process.env.PORT ?? 3000);

// Without an API key, use a local PostHog with a page that shows its events. Ann has the beta and the new checkout.
const posthog = process.env.POSTHOG_API_KEY ? undefined : await FakePostHog.start();
if (posthog) {
  posthog.flags.set({ 'beta-area': false, 'new-checkout': 'control' });
  posthog.flags.setFor('ann', { 'beta-area': true, 'new-checkout': 'one-page' });
  Object.assign(process.env, { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });
}

const app = await NestFactory.create(AppModule, { logger: ['warn', 'error', 'fatal'] });
app.enableShutdownHooks();
await app.listen(PORT);

const url = `http://localhost:${PORT}`;
console.log(`Events:     ${posthog?.url ?? process.env.POSTHOG_HOST ?? 'PostHog'}
Inspector:  ${url}/_posthog
A guarded route, for ann and for bob:
  curl ${url}/beta -H 'x-user: ann'
  curl ${url}/beta -H 'x-user: bob'
An experiment, whose goal is an event of the request and one of its job:
  curl -X POST ${url}/orders -H 'x-user: ann'
  curl -X POST ${url}/orders -H 'x-user: bob'
Press Ctrl-C to stop.`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void posthog?.close());
}
