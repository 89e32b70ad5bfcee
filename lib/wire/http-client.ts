import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { HttpService } from '@nestjs/axios';
import axios, { type AxiosRequestConfig } from 'axios';

/** An HttpService and the end of it. */
export interface HttpClient {
  /** Resolved at each request: a service that is injected may not exist before the application has started. */
  http(): HttpService;
  /** Closes idle connections; further requests open new ones. */
  releaseConnections(): void;
}

/** What of axios' settings belongs to an application; everything else is the protocol's. */
const NETWORK_SETTINGS: ReadonlySet<string> = new Set([
  'adapter',
  'family',
  'headers',
  'httpAgent',
  'httpsAgent',
  'httpVersion',
  'http2Options',
  'insecureHTTPParser',
  'lookup',
  'maxRate',
  'proxy',
  'socketPath',
  'transport',
] satisfies (keyof AxiosRequestConfig)[]);

/** What axios takes a proxy from (HTTP_PROXY, https_proxy, ALL_PROXY, npm_config_proxy). */
const PROXY_VARIABLE = /(?:^|_)proxy$/i;

/**
 * An HttpService of our own, so that no interceptor of the application sees the key. Connections are kept alive.
 *
 * @param settings proxy, agents and other network settings; settings that the protocol decides are left out. Default: the proxy that
 * environment variables name, when this is called
 */
export function privateHttpClient(settings: AxiosRequestConfig = {}): HttpClient {
  const own = { httpAgent: new HttpAgent({ keepAlive: true }), httpsAgent: new HttpsAgent({ keepAlive: true }) };
  const given = Object.fromEntries(
    Object.entries(settings).filter(([name, value]) => NETWORK_SETTINGS.has(name) && value !== undefined),
  );
  // Without this axios looks for them at each request, which takes longer than the request.
  const proxy = Object.keys(process.env).some((name) => PROXY_VARIABLE.test(name)) ? {} : ({ proxy: false } as const);
  const service = new HttpService(axios.create({ ...own, ...proxy, ...given }));
  return {
    http: () => service,
    releaseConnections: () => {
      own.httpAgent.destroy();
      own.httpsAgent.destroy();
    },
  };
}

/** An HttpService of the application, found when it is needed. Its connections are its own business. */
export function sharedHttpClient(find: () => HttpService): HttpClient {
  return { http: find, releaseConnections: () => undefined };
}
