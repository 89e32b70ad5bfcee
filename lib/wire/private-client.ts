import { type AxiosRequestConfig } from 'axios';
import { decodedProxy } from './axios-environment.js';
import { privateAxiosClient } from './axios-client.js';
import { type HttpClient } from './http-client.js';
import { nodeClient } from './node-client.js';

/** The variables that axios reads a proxy from (HTTP_PROXY, https_proxy, ALL_PROXY, npm_config_proxy). */
const PROXY_VARIABLE = /(?:^|_)proxy$/i;

/**
 * A client that the application has no access to: Node's own, or axios if there are settings for it or the environment specifies a
 * proxy at the time of the call.
 *
 * @param settings option `http`
 * @param host PostHog's URL
 */
export function privateClient(settings: AxiosRequestConfig | undefined, host: string): HttpClient {
  if (Object.keys(process.env).some((name) => PROXY_VARIABLE.test(name)))
    return privateAxiosClient({ proxy: decodedProxy(host), ...settings });
  // Without `proxy: false`, axios looks for a proxy for each request, which takes longer than the request.
  return settings ? privateAxiosClient({ proxy: false, ...settings }) : nodeClient();
}
