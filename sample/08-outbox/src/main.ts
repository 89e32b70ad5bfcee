import 'reflect-metadata';
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
console.log(`Events:  ${posthog?.url ?? process.env.POSTHOG_HOST ?? 'PostHog'}
An order (TypeORM) and a cart (Drizzle), each with its events in one transaction:
  curl -X POST ${url}/orders/1
  curl -X POST ${url}/carts/1
Transactions that are rolled back, and their events with them:
  curl -X POST '${url}/orders/2?fail=1'
  curl -X POST '${url}/carts/2?fail=1'
What the application has counted:
  curl ${url}/stats
Press Ctrl-C to stop.`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void posthog?.close());
}
