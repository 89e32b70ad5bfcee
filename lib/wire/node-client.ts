import * as http from 'node:http';
import * as https from 'node:https';
import { type Transform } from 'node:stream';
import { urlToHttpOptions } from 'node:url';
import { createBrotliDecompress, createUnzip } from 'node:zlib';
import { KeepAliveConnections } from './keep-alive.js';
import { endRefused, type HttpClient, type HttpPost, type HttpResponse, readBody } from './http-client.js';

/** For servers that compress responses unasked. */
const DECOMPRESS: ReadonlyMap<string | undefined, () => Transform> = new Map([
  ['gzip', createUnzip],
  ['x-gzip', createUnzip],
  ['deflate', createUnzip],
  ['br', createBrotliDecompress],
]);

/** Node's own HTTP client, with connections that are kept alive. Sends the same requests as axios, at a fraction of the cost. */
export function nodeClient(): HttpClient {
  const connections = new KeepAliveConnections();
  let lastUrl = '';
  let target: http.RequestOptions = {};
  /** Cached: all requests have the same URL, and parsing it takes half as long as a request. */
  const targetOf = (url: string): http.RequestOptions => {
    if (url !== lastUrl) {
      const address = urlToHttpOptions(new URL(url));
      const agent = address.protocol === 'https:' ? connections.httpsAgent : connections.httpAgent;
      target = { ...address, agent, method: 'POST' };
      lastUrl = url;
    }
    return target;
  };
  return {
    prepare: () => undefined,
    post: (post, signal) => {
      connections.beforeRequest();
      return send(targetOf(post.url), post, signal, connections);
    },
    releaseConnections: () => connections.close(),
  };
}

function send(
  target: http.RequestOptions,
  { headers, body }: HttpPost,
  signal: AbortSignal,
  connections: KeepAliveConnections,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    // Looked up for each request, because tests and instrumentation replace it.
    const open = target.protocol === 'https:' ? https.request : http.request;
    const request = open({
      ...target,
      headers: { Accept: 'application/json', ...headers, 'Content-Length': body.length },
    });
    const abort = (): void => void request.destroy(Object.assign(new Error('aborted'), { code: 'ECONNABORTED' }));
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', abort);
      reject(connections.describe(error, request));
    };
    // Node discards a response that switches protocols, together with the connection, and emits no error.
    const failWithoutResponse = (): void => fail(noResponse());
    request.on('error', fail).once('close', failWithoutResponse);
    request.once('response', (response) => {
      signal.removeEventListener('abort', abort);
      // The status is used even if the body fails.
      request
        .off('close', failWithoutResponse)
        .off('error', fail)
        .on('error', () => undefined);
      readResponse(request, response, signal).then(resolve, reject);
    });
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    request.end(body);
  });
}

function noResponse(): Error {
  const message = 'the connection was closed without a response, as after a switch to another protocol';
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}

async function readResponse(
  request: http.ClientRequest,
  response: http.IncomingMessage,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const { statusCode: status = 0, headers } = response;
  const body = await readBody(decompressed(response), signal);
  endRefused(request, status);
  return { status, headers, body };
}

function decompressed(response: http.IncomingMessage): http.IncomingMessage | Transform {
  const decompress = DECOMPRESS.get(response.headers['content-encoding']);
  if (!decompress) return response;
  const body = response.pipe(decompress());
  // A pipe forwards the end, but neither errors nor a destroyed reader.
  response.once('error', () => body.destroy());
  response.once('aborted', () => body.destroy());
  body.once('close', () => response.destroy());
  return body;
}
