import { type ExecutionContext } from '@nestjs/common';
import { type LooseValue, type Transport } from './call-source.js';

/**
 * The outcome of a call. `denied`: a guard rejected it, whatever the status; `error`: it threw, the response had a status of 400 or more,
 * or the response broke off; `aborted`: the client disconnected before the end.
 */
export type Outcome = 'success' | 'error' | 'denied' | 'aborted';

/** Type of the option `on` of `@TrackEvent`. */
export type Outcomes = Outcome | readonly Outcome[] | 'any';

/** A tracked call, as passed to callbacks. With an `on` that allows more than `success`, `result` may be undefined. */
export interface TrackContext<On extends Outcomes = 'success'> {
  readonly transport: Transport;
  readonly outcome: Outcome;
  /** The method's own arguments, after pipes; empty when it was not reached. */
  readonly args: readonly LooseValue[];
  /** The request as Express or Fastify has it; absent where there is none. */
  readonly request?: LooseValue;
  /** The result of the method, or the last value of its Observable; undefined unless the outcome is `success`. */
  readonly result?: [On] extends ['success' | readonly 'success'[]]
    ? LooseValue
    : Readonly<Record<string, LooseValue>> | undefined;
  /** The error of the method, a pipe or a stream; absent where only Nest can know it, as with an async generator that broke off. */
  readonly error?: unknown;
  /** HTTP only; absent when the response was over before there was a status. */
  readonly statusCode?: number;
  /** Milliseconds from the call to its end; over HTTP, to the end of the response. */
  readonly durationMs: number;
  /** Nest's context of the handler; absent in methods of plain providers and when a guard rejected. */
  readonly execution?: ExecutionContext;
}
