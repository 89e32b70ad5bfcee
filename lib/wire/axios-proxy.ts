import axios, { type AxiosRequestConfig } from 'axios';

/** The first version that opens a tunnel (CONNECT) through a proxy for https. */
const FIRST_SAFE = [1, 16, 1] as const;

/** The variables that axios takes the proxy of an https request from. */
const HTTPS_PROXY_VARIABLE = /^(?:npm_config_)?(?:https_|all_)?proxy$/i;

/**
 * Older versions of axios send an https request through a proxy unencrypted, so that the proxy can read the key and the events.
 *
 * @param settings axios' network settings: those of option `http`, or the defaults of the application's HttpService
 * @returns the problem and the remedy, or undefined if there is no proxy, or this axios is safe
 */
export function proxyProblem(host: string, settings: Pick<AxiosRequestConfig, 'proxy'> = {}): string | undefined {
  if (isSafe(axios.VERSION) || !host.startsWith('https:')) return undefined;
  const { proxy } = settings;
  const variable = Object.keys(process.env).find((name) => HTTPS_PROXY_VARIABLE.test(name) && process.env[name]);
  if (proxy === false || (!proxy && variable === undefined)) return undefined;
  const source = proxy ? 'option http.proxy' : `the environment variable ${variable ?? ''}`;
  return (
    `axios ${axios.VERSION} sends https requests through a proxy (here from ${source}) unencrypted, so the proxy could read the ` +
    'API key and the events: npm install axios@^1.16.1, or set http: { proxy: false } to connect without the proxy'
  );
}

function isSafe(version: string): boolean {
  const numbers = version.split('.').map((number) => parseInt(number, 10));
  for (const [index, needed] of FIRST_SAFE.entries()) {
    const number = numbers[index] ?? 0;
    if (number !== needed) return number > needed;
  }
  return true;
}
