import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { choosePort } from './choose-port.js';
import { eventsPage } from './events-page.js';
import { startLocalPostHog } from './local-posthog.js';

async function bootstrap(port: number): Promise<void> {
  // Without a key the shop runs all the same: a local PostHog stands in.
  if (!process.env.POSTHOG_API_KEY) {
    const posthog = await startLocalPostHog(port + 1);
    Object.assign(process.env, { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });
  }

  const app = await NestFactory.create(AppModule, { logger: ['warn', 'error', 'fatal'] });
  // Lets PostHogCaptureModule send what is still queued when the process is told to stop.
  app.enableShutdownHooks();
  await app.listen(port);

  const url = `http://localhost:${port}`;
  console.log(`Shop:    ${url}
Events:  ${eventsPage(process.env.POSTHOG_HOST)}
On their way there: ${url}/_posthog
Send an event:
  curl -X POST ${url}/capture -H 'Content-Type: application/json' -d '{"event":"page_view","distinct_id":"user_123"}'
Ctrl-C ends it.`);
}

const port = await choosePort(process.env.PORT);
if (port === null) {
  console.error(
    `Port ${process.env.PORT ?? 3000} cannot be used, or is taken. Choose another one: PORT=4000 npm start`,
  );
  process.exitCode = 1;
} else {
  await bootstrap(port);
}
