// Runs job.json with `posthog-capture run`: against PostHog if POSTHOG_API_KEY is set in the environment or in .env,
// otherwise three times against a local PostHog, once for each possible result. Flags are passed to the job.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FakePostHog } from 'nestjs-posthog-capture/testing';

const here = import.meta.dirname;
const manifest = createRequire(import.meta.url).resolve('nestjs-posthog-capture/package.json');
const program = join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin['posthog-capture']);

/** Runs the job and prints the command, the result and the exit code. */
function runJob(title, env = {}) {
  const args = ['run', '--input', 'job.json', ...process.argv.slice(2)];
  console.log(`\n${title}\n$ posthog-capture ${args.join(' ')}`);
  const job = spawn(process.execPath, [program, ...args], {
    cwd: here,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  return new Promise((resolve, reject) => {
    job.once('error', reject);
    job.once('exit', (code) => {
      console.log(`exit code ${code}`);
      resolve(code);
    });
  });
}

function hasKey() {
  if (process.env.POSTHOG_API_KEY) return true;
  const file = join(here, '.env');
  return existsSync(file) && /^\s*POSTHOG_API_KEY\s*=\s*\S/m.test(readFileSync(file, 'utf8'));
}

if (hasKey()) {
  process.exitCode = await runJob('Sending the job to PostHog:');
} else {
  const posthog = await FakePostHog.start({ apiKey: 'phc_right' });
  const local = { POSTHOG_HOST: posthog.url, POSTHOG_API_KEY: 'phc_right', POSTHOG_RETRY_BASE_MS: '100' };
  const codes = [
    await runJob('1. PostHog accepts the event:', local),
    await runJob('2. The key is wrong:', { ...local, POSTHOG_API_KEY: 'phc_wrong' }),
  ];
  await posthog.close();
  codes.push(await runJob('3. PostHog cannot be reached (three retries):', local));
  console.log('\nThis was a local PostHog. To send the job to PostHog, put your API key into .env (see .env.example).');
  process.exitCode = codes.join() === '0,1,1' ? 0 : 1;
}
