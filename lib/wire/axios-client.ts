import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Readable } from 'node:stream';
import { HttpService } from '@nestjs/axios';
import axios, { type AxiosRequestConfig, type AxiosResponse, isAxiosError } from 'axios';
import { firstValueFrom } from 'rxjs';
import { endRefused, type HttpAnswer, type HttpClient, readBody } from './http-client.js';

/** An application's default credentials would replace our key; axios takes null for none, which its types do not know. */
const NO_AUTH: object = { auth: null };

/** What the protocol needs, whatever an application's HttpService has for defaults. */
const PROTOCOL_SETTINGS: AxiosRequestConfig = {
  method: 'POST',
  baseURL: '',
  // An error's body and headers matter as much as a success's; a redirect would lose the body.
  validateStatus: () => true,
  maxRedirects: 0,
  // None, as axios itself has it. Infinity it takes for a limit, and puts every answer through a second stream to count its bytes.
  maxBodyLength: -1,
  maxContentLength: -1,
  // The status counts even if the body never ends.
  responseType: 'stream',
  decompress: true,
  transformRequest: [(body: unknown) => body],
  transformResponse: [(body: unknown) => body],
  // The sender's is for the whole attempt; axios' starts anew with each byte.
  timeout: 0,
};

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

/**
 * An HttpService of our own, so that no interceptor of the application sees the key. Connections are kept alive.
 *
 * @param settings proxy, agents and other network settings; settings that the protocol decides are left out. The proxy is by
 * default the one that environment variables name
 */
export function privateAxiosClient(settings: AxiosRequestConfig): HttpClient {
  const own = { httpAgent: new HttpAgent({ keepAlive: true }), httpsAgent: new HttpsAgent({ keepAlive: true }) };
  const given = Object.fromEntries(
    Object.entries(settings).filter(([name, value]) => NETWORK_SETTINGS.has(name) && value !== undefined),
  );
  const service = new HttpService(axios.create({ ...own, ...given }));
  return axiosClient(
    () => service,
    () => {
      own.httpAgent.destroy();
      own.httpsAgent.destroy();
    },
  );
}

/**
 * An HttpService of the application. Its connections are its own business.
 *
 * @param find called at each request: the service may not exist before the application has started. May throw
 */
export function sharedAxiosClient(find: () => HttpService): HttpClient {
  return axiosClient(find, () => undefined);
}

function axiosClient(http: () => HttpService, releaseConnections: () => void): HttpClient {
  return {
    prepare: () => void http(),
    async post({ url, headers, body: data }, signal) {
      // A copy: interceptors may write into it.
      const config = { ...PROTOCOL_SETTINGS, ...NO_AUTH, url, data, headers: { ...headers }, signal };
      try {
        return await answerOf(await unlessAborted(firstValueFrom(http().request<unknown>(config)), signal), signal);
      } catch (error) {
        const refusal = refusalIn(error);
        if (refusal) return refusal;
        throw error;
      }
    },
    releaseConnections,
  };
}

async function answerOf(response: AxiosResponse<unknown>, signal: AbortSignal): Promise<HttpAnswer> {
  const { status, headers, data } = response;
  const body = data instanceof Readable ? await readBody(data, signal) : textOf(data);
  endRefused(response.request, status);
  return { status, headers, body };
}

/** A mocked HttpService answers with what axios would have parsed. */
function textOf(data: unknown): string {
  if (typeof data === 'string') return data;
  return data === undefined ? '' : JSON.stringify(data);
}

/** An interceptor of the application's HttpService may have turned a status into an error, or thrown whatever it likes. */
function refusalIn(error: unknown): HttpAnswer | undefined {
  try {
    const response = isAxiosError(error) ? error.response : undefined;
    if (!response || !Number.isInteger(response.status) || (response.status >= 200 && response.status < 300))
      return undefined;
    if (response.data instanceof Readable) response.data.destroy();
    const headers = (response.headers as Record<string, unknown> | undefined) ?? {};
    return { status: response.status, headers, body: '' };
  } catch {
    return undefined;
  }
}

/** An HttpService that does not honour the signal must not hold us. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(Object.assign(new Error('aborted'), { code: 'ECONNABORTED' }));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
