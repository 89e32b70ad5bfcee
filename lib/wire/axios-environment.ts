import { isIP } from 'node:net';
import { type AxiosProxyConfig, type AxiosRequestConfig } from 'axios';

/** A proxy that the environment specifies. */
interface EnvironmentProxy {
  readonly variable: string;
  readonly value: string;
  /** undefined if the value is not a URL. */
  readonly url: URL | undefined;
}

type ProxySettings = Pick<AxiosRequestConfig, 'proxy'>;

/**
 * Names the proxy between this machine and PostHog, for a remedy, without its credentials.
 *
 * @param settings axios' network settings: those of option `http`, or the defaults of the application's HttpService
 * @returns undefined without a proxy
 */
export function describeProxy(host: string, { proxy }: ProxySettings = {}): string | undefined {
  if (proxy === false) return undefined;
  if (proxy) return `the proxy ${proxy.host}:${proxy.port} (option http.proxy)`;
  const found = environmentProxy(host);
  if (!found) return undefined;
  const { variable, value, url } = found;
  if (!url) return `the proxy in the environment variable ${variable}, which is not a URL`;
  const name = `the proxy ${url.host} (environment variable ${variable})`;
  if (value.includes('://')) return name;
  return `${name}, which has no scheme and is used with ${url.protocol}// (try ${variable}=http://${url.host})`;
}

/**
 * The proxy of the environment with decoded credentials, if they are encoded: axios sends them as they are, so that the proxy would refuse
 * the password `p%40ss`.
 */
export function decodedProxy(host: string): AxiosProxyConfig | undefined {
  const { url, value = '' } = environmentProxy(host) ?? {};
  if (!url || !value.includes('://') || !/%[\da-f]{2}/i.test(url.username + url.password)) return undefined;
  return {
    protocol: url.protocol,
    host: url.hostname,
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    auth: { username: decoded(url.username), password: decoded(url.password) },
  };
}

function environmentProxy(host: string): EnvironmentProxy | undefined {
  const target = new URL(host);
  const scheme = target.protocol.slice(0, -1);
  if (isExcluded(target)) return undefined;
  const names = [`${scheme}_proxy`, 'all_proxy', `npm_config_${scheme}_proxy`, 'npm_config_proxy'];
  for (const variable of names.flatMap((name) => [name, name.toUpperCase()])) {
    const value = process.env[variable];
    if (!value) continue;
    return { variable, value, url: parse(value.includes('://') ? value : `${scheme}://${value}`) };
  }
  return undefined;
}

/** NO_PROXY lists hosts (`posthog.example.com:443`), domains (`.example.com`, `*.example.com`) or `*`. */
function isExcluded({ hostname, port, protocol }: URL): boolean {
  const list = process.env.no_proxy ?? process.env.NO_PROXY ?? '';
  // axios also understands ranges and other spellings of addresses: it decides.
  if (list !== '' && (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || hostname === 'localhost')) return true;
  return list.split(/[,\s]+/).some((entry) => {
    const [, name = '', entryPort] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
    if (name === '' || (entryPort && entryPort !== (port || (protocol === 'https:' ? '443' : '80')))) return false;
    const domain = name.replace(/^\*?\.?/, '');
    return domain === '' || hostname === domain || hostname.endsWith(`.${domain}`);
  });
}

function parse(value: string): URL | undefined {
  try {
    return new URL(value);
  } catch {
    return undefined;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
