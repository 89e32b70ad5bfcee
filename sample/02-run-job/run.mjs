// Runs the job three times: against a PostHog that takes the key, one that does not, and none at all.
// With POSTHOG_API_KEY set it runs once, against your project.
import { spawnSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FakePostHog } from 'nestjs-posthog-capture/testing';

const cli = fileURLToPath(new URL('cli/main.js', import.meta.resolve('nestjs-posthog-capture')));
const job = fileURLToPath(new URL('job.json', import.meta.url));

if (process.env.POSTHOG_API_KEY) {
  process.exitCode = spawnSync(process.execPath, [cli, 'run', '--input', job], { stdio: 'inherit' }).status ?? 1;
} else {
  const posthog = await FakePostHog.start({ apiKey: 'phc_local' });
  await run('success', { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url });
  await run('wrong key', { POSTHOG_API_KEY: 'phc_wrong', POSTHOG_HOST: posthog.url });
  await posthog.close();
  await run('nobody there', { POSTHOG_API_KEY: 'phc_local', POSTHOG_HOST: posthog.url, POSTHOG_MAX_RETRIES: '0' });
}

function run(title, env) {
  console.log(`\n${title}:`);
  const child = spawn(process.execPath, [cli, 'run', '--input', job], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return new Promise((resolve) => child.once('exit', resolve));
}
