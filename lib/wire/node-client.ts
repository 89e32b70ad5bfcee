import * as http from 'node:http';
import * as https from 'node:https';
import { type Transform } from 'node:stream';
import { urlToHttpOptions } from 'node:url';
import { createBrotliDecompress, createUnzip } from 'node:zlib';
import { endRefused, type HttpAnswer, type HttpClient, readBody } from './http-client.js';

/** How bodies are unpacked that a server packs though nobody asked for it. */
const UNPACK: ReadonlyMap<string | undefined, () => Transform> = new Map([
  ['gzip', createUnzip],
  ['x-gzip', createUnzip],
  ['deflate', createUnzip],
  ['br', createBrotliDecompress],
]);

/**
 * Node's own HTTP client, over connections that are kept alive: where nothing else is asked for, it is all that a request needs, and
 * costs far less. The requests are those that `axiosClient` sends.
 */
export function nodeClient(): HttpClient {
  const agents = {
    'http:': new http.Agent({ keepAlive: true }),
    'https:': new https.Agent({ keepAlive: true }),
  };
  let lastUrl = '';
  let target: http.RequestOptions = {};
  /** All requests have one address, and reading it takes as long as half of them. */
  const targetOf = (url: string): http.RequestOptions => {
    if (url !== lastUrl) {
      const address = urlToHttpOptions(new URL(url));
      const agent = address.protocol === 'https:' ? agents['https:'] : agents['http:'];
      target = { ...address, agent, method: 'POST' };
      lastUrl = url;
    }
    return target;
  };
  return {
    prepare: () => undefined,
    post: ({ url, headers, body }, signal) =>
      new Promise((resolve, reject) => {
        const target = targetOf(url);
        // Looked up anew: tests and instrumentation replace it, and put it back.
        const send = target.protocol === 'https:' ? https.request : http.request;
        const request = send({
          ...target,
          headers: { Accept: 'application/json', ...headers, 'Content-Length': body.length },
        });
        const abort = (): void => void request.destroy(Object.assign(new Error('aborted'), { code: 'ECONNABORTED' }));
        const fail = (error: Error): void => {
          signal.removeEventListener('abort', abort);
          reject(error);
        };
        // An answer that switches protocols Node throws away, with the connection: no error, and nothing left to abort.
        const failUnanswered = (): void => fail(unanswered());
        request.on('error', fail).once('close', failUnanswered);
        request.once('response', (response) => {
          signal.removeEventListener('abort', abort);
          // The status counts, whatever becomes of the rest.
          request
            .off('close', failUnanswered)
            .off('error', fail)
            .on('error', () => undefined);
          answerOf(request, response, signal).then(resolve, reject);
        });
        signal.addEventListener('abort', abort, { once: true });
        if (signal.aborted) abort();
        request.end(body);
      }),
    releaseConnections() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

function unanswered(): Error {
  const message = 'the connection was closed without an answer, as after a switch to another protocol';
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}

async function answerOf(
  request: http.ClientRequest,
  response: http.IncomingMessage,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { statusCode: status = 0, headers } = response;
  const body = await readBody(unpacked(response), signal);
  endRefused(request, status);
  return { status, headers, body };
}

function unpacked(response: http.IncomingMessage): http.IncomingMessage | Transform {
  const unpack = UNPACK.get(response.headers['content-encoding']);
  if (!unpack) return response;
  const body = response.pipe(unpack());
  // A pipe passes on the end, and neither an error nor that nobody reads any more.
  response.once('error', () => body.destroy());
  response.once('aborted', () => body.destroy());
  body.once('close', () => response.destroy());
  return body;
}
