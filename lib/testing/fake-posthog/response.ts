import { type Fault, type ResultsFault, type StatusFault } from './faults.js';
import { type EventResult, type Judgement } from './validation.js';
import { type CaptureFormat, type StoredEvent } from './recorded.js';

/** An event of an accepted batch, as it would be stored. */
export interface Candidate {
  readonly stored: StoredEvent;
  /** Position in the batch. */
  readonly index: number;
  readonly kept: boolean;
  readonly result: EventResult;
}

/** A whole HTTP answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the server does about one request. */
export interface AnswerPlan {
  readonly delayMs: number;
  /** The events to store, before anything is answered. */
  readonly store: readonly StoredEvent[];
  /** null: no answer. */
  readonly answer: Answer | null;
  readonly manner: 'whole' | 'half' | 'reset' | 'hang' | { readonly slowMs: number };
}

/** A judged request, as far as the answer depends on it. */
export interface Judged {
  readonly format: CaptureFormat;
  readonly refusal: Judgement['refusal'];
  readonly candidates: readonly Candidate[];
}

const STORED_RESULTS = ['ok', 'warning', 'limited'];
/** PostHog's own value. */
const RETRY_AFTER_SECONDS = 1;

/** Decides what to do: what PostHog would, bent by a fault. */
export function planAnswer(judged: Judged, fault: Fault | null): AnswerPlan {
  const normal = normalPlan(judged);
  return fault === null ? normal : { ...normal, ...bend(judged, normal, fault), delayMs: fault.delayMs ?? 0 };
}

function bend(judged: Judged, normal: AnswerPlan, fault: Fault): Partial<AnswerPlan> {
  if ('status' in fault) {
    return {
      answer: statusAnswer(judged.format, fault, normal.answer),
      store: fault.store === true ? normal.store : [],
    };
  }
  if ('reset' in fault) return { answer: null, manner: 'reset', store: fault.reset === 'after' ? normal.store : [] };
  if ('hang' in fault) return { answer: null, manner: 'hang', store: [] };
  if ('results' in fault) return normalPlan(withResults(judged, fault), fault.retryAfter);
  if ('halfAnswer' in fault) return { manner: 'half' };
  if ('invalidJson' in fault) {
    return normal.answer?.status === 200 ? { answer: { ...normal.answer, body: '<!doctype' } } : {};
  }
  if ('slowBodyMs' in fault) return { manner: { slowMs: fault.slowBodyMs } };
  if ('redirect' in fault) {
    return { answer: { ...plainText(307, ''), headers: { location: fault.redirect } }, store: [] };
  }
  if ('maxEvents' in fault) {
    if (judged.refusal !== null || judged.candidates.length <= fault.maxEvents) return {};
    return normalPlan({ ...judged, refusal: { status: 413, message: `more than ${fault.maxEvents} events` } });
  }
  if ('poison' in fault) return normalPlan(withPoison(judged, fault.poison));
  return {};
}

function normalPlan(
  { format, refusal, candidates }: Judged,
  retryAfter: string | number | null = RETRY_AFTER_SECONDS,
): AnswerPlan {
  if (refusal !== null) {
    return { delayMs: 0, store: [], answer: errorAnswer(format, refusal.status, refusal.message), manner: 'whole' };
  }
  const store = candidates.filter(({ kept }) => kept).map(({ stored }) => stored);
  if (format === 'v0') return { delayMs: 0, store, answer: json(200, { status: 'Ok' }), manner: 'whole' };
  const results = Object.fromEntries(candidates.map(({ stored, result }) => [stored.uuid, result]));
  const mayRetry = candidates.some(({ result }) => result.result === 'retry');
  const answer = json(200, { results }, mayRetry ? retryHeader(retryAfter) : {});
  return { delayMs: 0, store, answer, manner: 'whole' };
}

function withResults(judged: Judged, { results }: ResultsFault): Judged {
  const candidates = judged.candidates.map((candidate) => {
    const result = candidate.kept ? results(candidate.stored, candidate.index) : undefined;
    return result === undefined ? candidate : { ...candidate, result, kept: STORED_RESULTS.includes(result.result) };
  });
  return { ...judged, candidates };
}

function withPoison(judged: Judged, poison: (event: StoredEvent) => boolean): Judged {
  const isPoison = ({ stored }: Candidate): boolean => poison(stored);
  if (judged.format === 'v0') {
    if (judged.refusal !== null || !judged.candidates.some(isPoison)) return judged;
    return { ...judged, refusal: { status: 400, message: 'the batch holds a poisoned event' } };
  }
  const drop = { kept: false, result: { result: 'drop', details: 'poisoned' } };
  return { ...judged, candidates: judged.candidates.map((one) => (isPoison(one) ? { ...one, ...drop } : one)) };
}

function statusAnswer(format: CaptureFormat, fault: StatusFault, normal: Answer | null): Answer {
  const { status, body = null } = fault;
  let answer = errorAnswer(format, status, `scripted ${status}`);
  if (typeof body === 'string') answer = plainText(status, body);
  else if (body !== null) answer = json(status, body);
  else if (status >= 200 && status < 300 && normal?.status === 200) answer = { ...normal, status };
  return { ...answer, headers: { ...answer.headers, ...retryHeader(fault.retryAfter), ...fault.headers } };
}

/** v0 explains itself in plain text, v1 in JSON. */
function errorAnswer(format: CaptureFormat, status: number, message: string): Answer {
  return format === 'v0' ? plainText(status, message) : json(status, { error: 'error', error_description: message });
}

function plainText(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

function retryHeader(retryAfter: string | number | null = null): Record<string, string> {
  return retryAfter === null ? {} : { 'retry-after': String(retryAfter) };
}
