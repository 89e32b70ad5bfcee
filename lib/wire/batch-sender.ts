import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type AxiosRequestConfig, isAxiosError } from 'axios';
import { firstValueFrom } from 'rxjs';
import { type Attempt, type Batch, type BatchOutcome, type SendBatch } from '../delivery/delivery.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../version.js';
import { describeError, withoutSecret } from './describe-error.js';
import { formatOf } from './formats.js';
import { type HttpClient } from './http-client.js';
import { retryAfterMs } from './retry-after.js';
import { outcomeOfStatus, type RemedyNames } from './status-table.js';

/** Where and how requests go. */
export interface BatchSenderOptions {
  /** PostHog's ingestion address, without a trailing slash. */
  readonly host: string;
  readonly apiKey: string;
  readonly compression: 'gzip' | 'none';
  /** For a whole attempt, answer included, in milliseconds. */
  readonly requestTimeoutMs: number;
  readonly historicalMigration: boolean;
  readonly names: RemedyNames;
}

interface Answer {
  readonly status: number;
  /** Milliseconds; undefined when none was asked for. */
  readonly retryAfterMs: number | undefined;
  /** '' when it could not be read. */
  readonly body: string;
}

const USER_AGENT = `${LIBRARY_NAME}/${LIBRARY_VERSION}`;
/** Far more than any answer of PostHog's; the rest of a larger one is not read. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const compress = promisify(gzip);

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
  // Ours is for the whole attempt; axios' starts anew with each byte.
  timeout: 0,
};

/** Makes single attempts to send batches and says what came of each. The only file that knows axios' requests. */
export class BatchSender {
  readonly #client: HttpClient;
  readonly #options: BatchSenderOptions;
  #compression: 'gzip' | 'none';

  constructor(client: HttpClient, options: BatchSenderOptions) {
    this.#client = client;
    this.#options = options;
    this.#compression = options.compression;
  }

  /** One attempt. Never rejects. */
  readonly send: SendBatch = async (batch, attempt) => {
    const deadline = new AbortController();
    const abort = (): void => deadline.abort();
    const timer = setTimeout(abort, this.#options.requestTimeoutMs);
    attempt.signal.addEventListener('abort', abort, { once: true });
    try {
      if (attempt.signal.aborted) abort();
      return await this.#attempt(batch, attempt, deadline.signal);
    } catch (error) {
      return this.#failed(error, attempt.signal.aborted ? 'aborted' : deadline.signal.aborted ? 'timeout' : 'network');
    } finally {
      clearTimeout(timer);
      attempt.signal.removeEventListener('abort', abort);
    }
  };

  async #attempt(batch: Batch, { number }: Attempt, signal: AbortSignal): Promise<BatchOutcome> {
    const format = formatOf(batch.format);
    const { host, apiKey, historicalMigration, names } = this.#options;
    const sentAt = new Date().toISOString();
    const request = format.request(batch, { apiKey, historicalMigration, attempt: number, sentAt });
    const compressed = this.#compression === 'gzip';
    const data = compressed ? await compress(request.body) : Buffer.from(request.body);
    const answer = await this.#post(host + request.path, data, signal, {
      ...request.headers,
      'Content-Type': 'application/json',
      'User-Agent': USER_AGENT,
      ...(compressed ? { 'Content-Encoding': 'gzip' } : {}),
    });
    if (answer.status >= 200 && answer.status < 300)
      return { ...withoutKey(format.interpret(answer.body, batch, answer.retryAfterMs), apiKey), code: answer.status };
    // What leaves later goes uncompressed; not this attempt, as a server that changes its mind must not be hammered.
    if (answer.status === 415) this.#compression = 'none';
    return outcomeOfStatus(answer.status, answer.retryAfterMs, names);
  }

  async #post(url: string, data: Buffer, signal: AbortSignal, headers: Record<string, string>): Promise<Answer> {
    const config: AxiosRequestConfig = { ...PROTOCOL_SETTINGS, ...NO_AUTH, url, data, headers, signal };
    const response = await unlessAborted(firstValueFrom(this.#client.http().request<unknown>(config)), signal);
    return {
      status: response.status,
      retryAfterMs: retryAfterMs(response.headers, Date.now()),
      body: await readBody(response.data, signal),
    };
  }

  #failed(error: unknown, code: 'aborted' | 'timeout' | 'network'): BatchOutcome {
    const { requestTimeoutMs, apiKey, names } = this.#options;
    const remedy = `check ${names.host} and that this machine may reach it`;
    const refusal = statusOf(error);
    if (refusal) return outcomeOfStatus(refusal.status, refusal.retryAfterMs, names);
    const message =
      code === 'timeout'
        ? `PostHog request timed out after ${requestTimeoutMs} ms`
        : `PostHog connection error: ${describeError(error, apiKey)}`;
    return { kind: 'retryable', failure: { message, remedy }, code };
  }
}

/** An interceptor of the application's HttpService may have turned a status into an error, or thrown whatever it likes. */
function statusOf(error: unknown): Pick<Answer, 'status' | 'retryAfterMs'> | undefined {
  try {
    const response = isAxiosError(error) ? error.response : undefined;
    if (!response || !Number.isInteger(response.status) || (response.status >= 200 && response.status < 300))
      return undefined;
    if (response.data instanceof Readable) response.data.destroy();
    const headers = (response.headers as Record<string, unknown> | undefined) ?? {};
    return { status: response.status, retryAfterMs: retryAfterMs(headers, Date.now()) };
  } catch {
    return undefined;
  }
}

/** A server may repeat the key it was given. */
function withoutKey(outcome: BatchOutcome, apiKey: string): BatchOutcome {
  if (outcome.kind !== 'settled' || outcome.rejected.length === 0) return outcome;
  const rejected = outcome.rejected.map(({ id, detail }) => ({ id, detail: withoutSecret(detail, apiKey) }));
  return { ...outcome, rejected };
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

/** Reads an answer's body as text; '' when it breaks off or the time is over. */
async function readBody(data: unknown, signal: AbortSignal): Promise<string> {
  // A mocked HttpService answers with what axios would have parsed.
  if (!(data instanceof Readable)) {
    if (typeof data === 'string') return data;
    return data === undefined ? '' : JSON.stringify(data);
  }
  const stop = (): void => void data.destroy(new Error('aborted'));
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of data) {
      const part = Buffer.from(chunk as Buffer);
      bytes += part.length;
      if (bytes > MAX_ANSWER_BYTES) return '';
      chunks.push(part);
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch {
    return '';
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
