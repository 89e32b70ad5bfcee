// Packages in versions that the package refuses, in an application of Nest 11 with CommonJS: the message names the command that helps.
import assert from 'node:assert/strict';

/** @param command runs a line in the application, which is built and whose tests pass */
export async function checkRemedies(command, key) {
  await checkConfig12(command);
  await checkOldAxios(command, key);
}

/** Jest cannot require ES modules. */
async function checkConfig12(command) {
  await command('npm install @nestjs/config@12');
  const error = await rejection(command('npm test'));
  assert.match(error.message, /nestjs-posthog-capture cannot load @nestjs\/config: Must use import to load ES Module/);
  const [, remedy] = /Nest 10 and 11: (npm install \S+)/.exec(error.message);
  await command(remedy);
  await command('npm test');
}

/** axios 1.16.0 sends https requests through a proxy unencrypted. */
async function checkOldAxios(command, key) {
  // Some versions of npm only warn, others refuse.
  await command('npm install axios@1.16.0 --force');
  const settings = { POSTHOG_API_KEY: key, POSTHOG_HOST: 'https://posthog.invalid', PORT: '0' };
  const start = (proxy) => command('npm run start', { ...settings, HTTPS_PROXY: proxy });
  const error = await rejection(start('http://127.0.0.1:9'));
  assert.match(
    error.message,
    /http: axios 1\.16\.0 sends https requests through a proxy \(here from the environment variable HTTPS_PROXY\)/,
  );
  const [, remedy] = /(npm install axios@\S+?),/.exec(error.message);
  await command(remedy);
  await command('npm ls axios');
}

async function rejection(promise) {
  return promise.then(
    () => assert.fail('the command did not fail'),
    (error) => error,
  );
}
