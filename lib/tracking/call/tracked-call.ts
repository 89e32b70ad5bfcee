import { StreamableFile } from '@nestjs/common';
import { type CallSource } from '../../context/call-source.js';
import { type ContextScope, currentScope } from '../../context/context-scope.js';
import { whenBodyFailed } from '../http/response-outcome.js';
import { type CallObserver } from './observe-result.js';
import { type ResponseEnd } from '../http/response-end.js';
import { type Outcome, type TrackContext, type TrackedEvent } from './track-event.options.js';

/** A call as its callbacks will see it; what is not known is not there. */
type Draft = { -readonly [Field in keyof TrackContext]: TrackContext[Field] };

/** What is known of a call when it begins. */
export interface CallStart {
  readonly events: readonly TrackedEvent[];
  readonly source: CallSource;
  /** The context of the call; undefined where none is open, and none is wanted. */
  readonly scope: ContextScope | undefined;
  /** Captures one event; runs in the context of the call, and must not throw. */
  readonly capture: (event: TrackedEvent, context: TrackContext) => void;
}

/** One call of a decorated method, from its begin to its one end. Whatever says first how it ended is right. */
export class TrackedCall implements CallObserver {
  private readonly startedAt = performance.now();
  private isOver = false;
  private result: unknown;
  private error: unknown;
  private hasFailed = false;
  private args: readonly unknown[] | undefined;

  constructor(private readonly start: CallStart) {}

  get hasEnded(): boolean {
    return this.isOver;
  }

  /** The method runs, with these arguments if they are known. */
  reached(args: readonly unknown[] = []): void {
    this.args ??= args;
  }

  succeeded(result: unknown): void {
    this.result = result;
    this.end('success');
  }

  failed(error: unknown): void {
    this.noteError(error);
    this.end('error');
  }

  abandoned(): void {
    this.end('aborted');
  }

  /** For calls that end with their response: what the handler gave to it. */
  noteResult(result: unknown): void {
    this.result = result;
    this.again();
    // Heard before Nest reacts to it by ending the response.
    if (result instanceof StreamableFile) result.getStream().once('error', (error: Error) => this.noteError(error));
  }

  noteError(error: unknown): void {
    this.error = error;
    this.hasFailed = true;
  }

  /** The method is about to be tried again. */
  again(): void {
    this.error = undefined;
    this.hasFailed = false;
  }

  /** The response is over, and decides. */
  responded({ how, statusCode, error }: ResponseEnd): void {
    if (this.hasFailed) this.end('error', statusCode);
    else if (how === 'aborted') this.end('aborted', statusCode);
    else if (how === 'complete' && (statusCode === undefined || statusCode < 400)) this.end('success', statusCode);
    else if (error !== undefined) this.endWith(error, statusCode);
    else whenBodyFailed(this.result, (ofBody) => this.endWith(ofBody, statusCode));
  }

  /** A guard kept the call from the handler. */
  denied({ statusCode }: ResponseEnd): void {
    this.end('denied', statusCode);
  }

  /** @param error undefined where it is not known */
  private endWith(error: unknown, statusCode: number | undefined): void {
    if (error !== undefined) this.noteError(error);
    this.end('error', statusCode);
  }

  private end(outcome: Outcome, statusCode?: number): void {
    if (this.isOver) return;
    this.isOver = true;
    // Another interceptor has answered, from a cache perhaps: the method was never called.
    if (outcome === 'success' && this.args === undefined) return;
    const { scope } = this.start;
    const context = this.contextAt(outcome, statusCode);
    if (scope === undefined || scope === currentScope.getStore()) this.capture(context);
    else currentScope.run(scope, () => this.capture(context));
  }

  private capture(context: TrackContext): void {
    const { events, capture } = this.start;
    for (const event of events) capture(event, context);
  }

  private contextAt(outcome: Outcome, statusCode: number | undefined): TrackContext {
    const { source } = this.start;
    const { transport, execution } = source;
    const request: unknown = source.request;
    const durationMs = millisecondsSince(this.startedAt);
    const context: Draft = { transport, outcome, args: this.args ?? [], durationMs };
    if (request !== undefined) context.request = request;
    if (this.result !== undefined) context.result = this.result;
    if (this.hasFailed) context.error = this.error;
    if (statusCode !== undefined) context.statusCode = statusCode;
    if (execution !== undefined) context.execution = execution;
    return context;
  }
}

/** With two decimals: more is noise. */
export function millisecondsSince(start: number): number {
  return Math.round((performance.now() - start) * 100) / 100;
}
