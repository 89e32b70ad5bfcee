import { type AxiosRequestConfig } from 'axios';
import { privateAxiosClient } from './axios-client.js';
import { type HttpClient } from './http-client.js';
import { nodeClient } from './node-client.js';

/** What axios takes a proxy from (HTTP_PROXY, https_proxy, ALL_PROXY, npm_config_proxy). */
const PROXY_VARIABLE = /(?:^|_)proxy$/i;

/**
 * A client that the application does not see: Node's own where that is enough, and axios where something is asked for that it
 * knows of, a proxy in the environment (as it is when this is called) included.
 *
 * @param settings axios' network settings, as option `http` has them
 */
export function privateClient(settings: AxiosRequestConfig | undefined): HttpClient {
  if (Object.keys(process.env).some((name) => PROXY_VARIABLE.test(name))) return privateAxiosClient(settings ?? {});
  // Without `proxy: false` axios looks for one at each request, which takes longer than the request.
  return settings ? privateAxiosClient({ proxy: false, ...settings }) : nodeClient();
}
