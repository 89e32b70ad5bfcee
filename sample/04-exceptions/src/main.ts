import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { FakePostHog } from 'nestjs-posthog-capture/testing';

const env: NodeJS.ProcessEnv = { PORT: '3000', ...process.env };

// Without an API key, use a local PostHog with a page that shows its events. It is in this process, which no crash of the application ends.
if (!process.env.POSTHOG_API_KEY) {
  const posthog = await FakePostHog.start();
  Object.assign(env, { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });
  console.log(`Errors:     ${posthog.url}`);
}

const url = `http://localhost:${env.PORT}`;
console.log(`Inspector:  ${url}/_posthog
A handler fails, with a cause and steps:
  curl -X POST ${url}/orders/2/payment -H 'x-user: ann'
A guard fails:
  curl ${url}/admin -H 'x-user: broken'
The process ends, and is started again:
  curl -X POST ${url}/crash -H 'x-user: ann'
Expected, so no events:
  curl ${url}/orders/3
  curl ${url}/admin -H 'x-user: ann'
A job fails every minute.
Press Ctrl-C to stop.`);

// What a process manager does. On Ctrl-C and SIGTERM the application sends its events and exits.
for (;;) {
  const application = fork(fileURLToPath(new URL('./application.js', import.meta.url)), { env });
  const stop = (): void => void application.kill('SIGTERM');
  process.on('SIGTERM', stop).on('SIGINT', stop);
  const [code] = (await once(application, 'exit')) as [number | null];
  if (application.killed) process.exit();
  process.off('SIGTERM', stop).off('SIGINT', stop);
  console.log(`The application exited with code ${code}. It is started again.`);
}
