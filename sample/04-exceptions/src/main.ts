import { NestFactory } from '@nestjs/core';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { AppModule } from './app.module.js';

// Without an API key, use a local PostHog with a page that shows its events.
if (!process.env.POSTHOG_API_KEY) {
  const posthog = await FakePostHog.start();
  Object.assign(process.env, { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });
  console.log(`Errors:     ${posthog.url}`);
}

const app = await NestFactory.create(AppModule, { logger: ['warn', 'error', 'fatal'] });
app.enableShutdownHooks();
const port = Number(process.env.PORT ?? 3000);
await app.listen(port);

const url = `http://localhost:${port}`;
console.log(`Inspector:  ${url}/_posthog
A handler fails, with a cause and steps:
  curl -X POST ${url}/orders/2/payment -H 'x-user: ann'
A guard fails:
  curl ${url}/admin -H 'x-user: broken'
Expected, so no events:
  curl ${url}/orders/3
  curl ${url}/admin -H 'x-user: ann'
Press Ctrl-C to stop.`);
