import {
  type Batch,
  type BatchOutcome,
  type SendBatch,
  type Sender,
  type SenderMessages,
} from '../delivery/delivery.js';
import { startDeadline } from '../delivery/timers.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../shared/version.js';
import { describeError, withoutSecret } from './describe-error.js';
import { formatOf } from './formats.js';
import { GzipPool } from './gzip-pool.js';
import { ReusedConnectionClosed } from './keep-alive.js';
import { type HttpClient, type HttpPost } from './http-client.js';
import {
  outcomeOfStatus,
  placesToCheck,
  type RemedyNames,
  retryAfterMs,
  senderMessages,
  timedOut,
} from './status-table.js';
import { type WireFormat, type WireRequest } from './wire-format.js';

export interface BatchSenderOptions {
  /** PostHog's ingestion address, without a trailing slash. */
  readonly host: string;
  readonly apiKey: string;
  readonly compression: 'gzip' | 'none';
  /** Timeout of a whole attempt, including the response. */
  readonly requestTimeoutMs: number;
  readonly historicalMigration: boolean;
  readonly names: RemedyNames;
  /** Called when events are sent to another endpoint than theirs, with a sentence and the remedy. */
  readonly onSubstituted?: (text: string) => void;
}

const USER_AGENT = `${LIBRARY_NAME}/${LIBRARY_VERSION}`;

/** An endpoint that was missing is tried again after this long. */
const MISSING_MS = 600_000;

/**
 * Sends a batch once and classifies the result. Retries are the caller's decision, except after a reused connection that the server had
 * closed: then it is sent again at once, over a new connection.
 */
export class BatchSender implements Sender {
  readonly messages: SenderMessages;
  readonly #client: HttpClient;
  readonly #options: BatchSenderOptions;
  readonly #gzip = new GzipPool();
  #compression: 'gzip' | 'none';
  /** While a format is replaced because the server lacks its endpoint. */
  #missingUntil = -Infinity;
  #inFlight = 0;
  #isReleased = false;

  constructor(client: HttpClient, options: BatchSenderOptions) {
    this.#client = client;
    this.#options = options;
    this.#compression = options.compression;
    this.messages = senderMessages(options.names);
  }

  readonly send: SendBatch = async (batch, attempt) => {
    const deadline = new AbortController();
    const abort = (): void => deadline.abort();
    const cancelDeadline = startDeadline(abort, this.#options.requestTimeoutMs);
    attempt.signal.addEventListener('abort', abort, { once: true });
    const failed = (error: unknown): BatchOutcome =>
      this.#failed(error, attempt.signal.aborted ? 'aborted' : deadline.signal.aborted ? 'timeout' : 'network');
    const repeat = async (): Promise<BatchOutcome> => {
      const again = this.#attempt(batch, attempt.number + 1, deadline.signal);
      return { ...(await again.catch(failed)), isRepeated: true };
    };
    this.#inFlight += 1;
    this.#isReleased = false;
    try {
      if (attempt.signal.aborted) abort();
      return await this.#attempt(batch, attempt.number, deadline.signal);
    } catch (error) {
      return error instanceof ReusedConnectionClosed ? await repeat() : failed(error);
    } finally {
      cancelDeadline();
      attempt.signal.removeEventListener('abort', abort);
      this.#ended();
    }
  };

  /** Of several pipelines that share the sender, another one may still have requests in flight: they are not aborted. */
  release(): void {
    this.#isReleased = this.#inFlight > 0;
    if (!this.#isReleased) this.#client.releaseConnections();
  }

  #ended(): void {
    this.#inFlight -= 1;
    if (this.#isReleased) this.release();
  }

  async #attempt(batch: Batch, number: number, signal: AbortSignal): Promise<BatchOutcome> {
    const format = formatOf(batch.format);
    const { substitute } = format;
    if (!substitute) return this.#post(format, batch, number, signal);
    if (performance.now() >= this.#missingUntil) {
      const outcome = await this.#post(format, batch, number, signal);
      if (outcome.code !== 404) return outcome;
    }
    const outcome = await this.#post(substitute, batch, number, signal);
    // Only this proves that the endpoint is missing, and not that the host is wrong.
    if (outcome.kind === 'settled' && performance.now() >= this.#missingUntil) {
      this.#missingUntil = performance.now() + MISSING_MS;
      this.#options.onSubstituted?.(NO_AI_ENDPOINT);
    }
    return outcome;
  }

  async #post(format: WireFormat, batch: Batch, number: number, signal: AbortSignal): Promise<BatchOutcome> {
    const { apiKey, historicalMigration, names } = this.#options;
    const sentAt = new Date().toISOString();
    const packed = await this.#pack(format.request(batch, { apiKey, historicalMigration, attempt: number, sentAt }));
    const response = await this.#client.post(packed, signal);
    const retryAfter = retryAfterMs(response.headers, Date.now());
    if (response.status >= 200 && response.status < 300)
      return {
        ...withoutKey(format.interpret(response, batch, { retryAfterMs: retryAfter, names }), apiKey),
        code: response.status,
      };
    // Later requests are uncompressed. This attempt is not repeated: a server that keeps changing its mind would be hammered.
    if (response.status === 415) this.#compression = 'none';
    return outcomeOfStatus(response.status, retryAfter, names);
  }

  /** A method of its own: inlined, the uncompressed text would stay in memory until the response. */
  async #pack({ path, headers, body }: WireRequest): Promise<HttpPost> {
    const common = { ...headers, 'Content-Type': 'application/json', 'User-Agent': USER_AGENT };
    const url = this.#options.host + path;
    if (this.#compression === 'none')
      return { url, headers: common, body: typeof body === 'string' ? Buffer.from(body) : body };
    return {
      url,
      headers: { ...common, 'Content-Encoding': 'gzip' },
      body: await this.#gzip.pack(body),
    };
  }

  #failed(error: unknown, code: 'aborted' | 'timeout' | 'network'): BatchOutcome {
    const { requestTimeoutMs, apiKey, names } = this.#options;
    const remedy = `check ${placesToCheck(names)}, and that this machine can reach it`;
    const message =
      code === 'timeout'
        ? timedOut(requestTimeoutMs)
        : `PostHog connection error: ${describeError(error instanceof ReusedConnectionClosed ? error.cause : error, apiKey)}`;
    return { kind: 'retryable', failure: { message, remedy }, code };
  }
}

const NO_AI_ENDPOINT =
  'The server has no endpoint for AI events (HTTP 404): they are sent to that of other events, which accepts up to about 1 MB for each. ' +
  'Remedy: update PostHog, or have the proxy in between pass on the paths that start with /i/.';

/** A server may repeat the key. */
function withoutKey(outcome: BatchOutcome, apiKey: string): BatchOutcome {
  if (outcome.kind !== 'settled' || outcome.rejected.length === 0) return outcome;
  const rejected = outcome.rejected.map(({ id, detail }) => ({ id, detail: withoutSecret(detail, apiKey) }));
  return { ...outcome, rejected };
}
