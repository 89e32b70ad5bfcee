import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { choosePort } from './choose-port.js';
import { eventsPage } from './events-page.js';
import { startLocalPostHog } from './local-posthog.js';

async function bootstrap(port: number): Promise<void> {
  // Without an API key, use a local PostHog.
  if (!process.env.POSTHOG_API_KEY) {
    const posthog = await startLocalPostHog(port + 1);
    Object.assign(process.env, { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });
  }

  const app = await NestFactory.create(AppModule, { logger: ['warn', 'error', 'fatal'] });
  // On SIGTERM, PostHogCaptureModule sends the events that are still queued.
  app.enableShutdownHooks();
  await app.listen(port);

  const url = `http://localhost:${port}`;
  console.log(`Shop:       ${url}
Events:     ${eventsPage(process.env.POSTHOG_HOST)}
Inspector:  ${url}/_posthog
Send an event:
  curl -X POST ${url}/capture -H 'Content-Type: application/json' -d '{"event":"page_view","distinct_id":"user_123"}'
Press Ctrl-C to stop.`);
}

const port = await choosePort(process.env.PORT);
if (port === null) {
  console.error(
    `Port ${process.env.PORT ?? 3000} is invalid or already in use. Choose another port: PORT=4000 npm start`,
  );
  process.exitCode = 1;
} else {
  await bootstrap(port);
}
