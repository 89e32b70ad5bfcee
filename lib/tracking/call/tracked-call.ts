import { type CallSource } from '../../context/call-source.js';
import { type ContextScope, currentScope } from '../../context/context-scope.js';
import { type Outcome, type TrackContext } from '../../context/track-context.js';
import { noteScope } from './error-scopes.js';
import { type CallObserver } from './observe-result.js';
import { type TrackedEvent } from './track-event.options.js';
import { type TrackingApp } from './tracking-instance.js';

type Draft = { -readonly [Field in keyof TrackContext]: TrackContext[Field] };

/** Everything that is known of a call when it begins. */
export interface CallStart {
  readonly events: readonly TrackedEvent[];
  readonly source: CallSource;
  /** The context of the call; undefined where none is open and none is wanted. */
  readonly scope: ContextScope | undefined;
  readonly capture: TrackingApp['capture'];
}

/** A call of a decorated method. It ends once: later ends are ignored. */
export class TrackedCall implements CallObserver {
  readonly #start: CallStart;
  readonly #startedAt = performance.now();
  #hasEnded = false;
  #result: unknown;
  #error: unknown;
  #hasFailed = false;
  #args: readonly unknown[] | undefined;

  constructor(start: CallStart) {
    this.#start = start;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  get result(): unknown {
    return this.#result;
  }

  /** The method is invoked, with these arguments if they are known. */
  reached(args: readonly unknown[] = []): void {
    this.#args ??= args;
  }

  succeeded(result: unknown): void {
    this.#result = result;
    this.end('success');
  }

  failed(error: unknown): void {
    this.noteError(error);
    this.end('error');
  }

  abandoned(): void {
    this.end('aborted');
  }

  /** Keeps the result of the handler, without ending the call. */
  noteResult(result: unknown): void {
    this.#result = result;
    this.retried();
  }

  /** Keeps an error, without ending the call. */
  noteError(error: unknown): void {
    this.#error = error;
    this.#hasFailed = true;
    noteScope(error, this.#start.scope);
  }

  /** The method is about to be tried again. */
  retried(): void {
    this.#error = undefined;
    this.#hasFailed = false;
  }

  end(outcome: Outcome, statusCode?: number): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    // Another interceptor has responded, perhaps from a cache: the method was never invoked.
    if (outcome === 'success' && this.#args === undefined) return;
    const { scope } = this.#start;
    const context = this.#contextAt(outcome, statusCode);
    if (scope === undefined || scope === currentScope.getStore()) this.#capture(context);
    else currentScope.run(scope, () => this.#capture(context));
  }

  #capture(context: TrackContext): void {
    const { events, capture } = this.#start;
    for (const event of events) capture(event, context);
  }

  #contextAt(outcome: Outcome, statusCode: number | undefined): TrackContext {
    const { source } = this.#start;
    const { transport, execution } = source;
    const request: unknown = source.request;
    const durationMs = millisecondsSince(this.#startedAt);
    const context: Draft = { transport, outcome, args: this.#args ?? [], durationMs };
    if (request !== undefined) context.request = request;
    if (this.#result !== undefined) context.result = this.#result;
    if (this.#hasFailed) context.error = this.#error;
    if (statusCode !== undefined) context.statusCode = statusCode;
    if (execution !== undefined) context.execution = execution;
    return context;
  }
}

/** Rounded to two decimals. */
export function millisecondsSince(start: number): number {
  return Math.round((performance.now() - start) * 100) / 100;
}
