import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { eventsPage } from './events-page.js';
import { listen } from './listen.js';
import { startLocalPostHog } from './local-posthog.js';

// Without a key the shop runs all the same: a local PostHog stands in.
if (!process.env.POSTHOG_API_KEY) {
  const posthog = await startLocalPostHog();
  Object.assign(process.env, { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });
}

const app = await NestFactory.create(AppModule, { logger: ['warn', 'error', 'fatal'] });
// Lets Nest call PostHogCaptureModule on Ctrl-C and SIGTERM, so that what is still queued is sent.
app.enableShutdownHooks();

const shop = await listen(app);
if (shop !== null) {
  process.stdout.write(`
The shop:         ${shop}
Send an event:    curl ${shop}/capture -H 'Content-Type: application/json' -d '{"event":"page_view","distinct_id":"user_123"}'
See it arrive:    ${eventsPage(process.env.POSTHOG_HOST)}

Ctrl-C ends it.
`);
}
