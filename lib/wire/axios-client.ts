import { Readable } from 'node:stream';
import axios, { type AxiosRequestConfig, type AxiosResponse, isAxiosError } from 'axios';
import { firstValueFrom } from 'rxjs';
import { KeepAliveConnections } from './keep-alive.js';
import { endRefused, type HttpResponse, type HttpClient, readBody } from './http-client.js';
import { type HttpService } from './http-service.js';

/** Default credentials of the application would replace our key. axios accepts null for none, which its types lack. */
const NO_AUTH: object = { auth: null };

/** Overrides the defaults of an application's HttpService. */
const PROTOCOL_SETTINGS: AxiosRequestConfig = {
  method: 'POST',
  baseURL: '',
  // The body and headers of an error are read as well.
  validateStatus: () => true,
  // Following a redirect would lose the body.
  maxRedirects: 0,
  // No limit, as in axios itself. axios treats Infinity as a limit and pipes every response through a second stream to count bytes.
  maxBodyLength: -1,
  maxContentLength: -1,
  // The status is used even if the body never ends.
  responseType: 'stream',
  decompress: true,
  transformRequest: [(body: unknown) => body],
  transformResponse: [(body: unknown) => body],
  // The sender limits the whole attempt; the timeout of axios restarts with each byte.
  timeout: 0,
};

/** Settings that an application may choose. The protocol decides all others. */
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
 * A separate axios instance, so that no interceptor of the application sees the key. Connections are kept alive.
 *
 * @param settings proxy, agents and other network settings; others are ignored. Without `proxy`, axios uses that of the environment
 */
export function privateAxiosClient(settings: AxiosRequestConfig): HttpClient {
  const connections = new KeepAliveConnections();
  const { httpAgent, httpsAgent } = connections;
  const given = Object.fromEntries(
    Object.entries(settings).filter(([name, value]) => NETWORK_SETTINGS.has(name) && value !== undefined),
  );
  const client = axios.create({ httpAgent, httpsAgent, ...given });
  return axiosClient((config) => client.request<unknown>(config), connections);
}

/**
 * An HttpService of the application, which manages its own connections.
 *
 * @param find called for each request, because the service may not exist before the application has started. May throw
 */
export function sharedAxiosClient(find: () => HttpService): HttpClient {
  const request = (config: AxiosRequestConfig) => firstValueFrom(find().request(config));
  return { ...axiosClient(request, new KeepAliveConnections()), prepare: () => void find() };
}

function axiosClient(
  request: (config: AxiosRequestConfig) => Promise<AxiosResponse<unknown>>,
  connections: KeepAliveConnections,
): HttpClient {
  return {
    prepare: () => undefined,
    async post({ url, headers, body: data }, signal) {
      connections.beforeRequest();
      // Interceptors may change the headers.
      const config = { ...PROTOCOL_SETTINGS, ...NO_AUTH, url, data, headers: { ...headers }, signal };
      try {
        return await readResponse(await unlessAborted(request(config), signal), signal);
      } catch (error) {
        const refusal = refusalIn(error);
        if (refusal) return refusal;
        throw isAxiosError(error) ? connections.describe(error, error.request) : error;
      }
    },
    releaseConnections: () => connections.close(),
  };
}

async function readResponse(response: AxiosResponse<unknown>, signal: AbortSignal): Promise<HttpResponse> {
  const { status, headers, data } = response;
  const body = data instanceof Readable ? await readBody(data, signal) : { text: textOf(data), isComplete: true };
  endRefused(response.request, status);
  return { status, headers, body };
}

/** A mocked HttpService returns parsed data. */
function textOf(data: unknown): string {
  if (typeof data === 'string') return data;
  return data === undefined ? '' : JSON.stringify(data);
}

/** An interceptor of the application may have turned a status into an error, or may have thrown anything. */
function refusalIn(error: unknown): HttpResponse | undefined {
  try {
    const response = isAxiosError(error) ? error.response : undefined;
    if (!response || !Number.isInteger(response.status) || (response.status >= 200 && response.status < 300))
      return undefined;
    if (response.data instanceof Readable) response.data.destroy();
    const headers = (response.headers as Record<string, unknown> | undefined) ?? {};
    return { status: response.status, headers, body: { text: '', isComplete: false } };
  } catch {
    return undefined;
  }
}

/** Rejects on abort even if the HttpService ignores the signal. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(Object.assign(new Error('aborted'), { code: 'ECONNABORTED' }));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
