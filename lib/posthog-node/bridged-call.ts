import { AsyncLocalStorage } from 'node:async_hooks';
import { type CaptureResult } from '../capture/capture-result.js';

/** A call of the client, as its event sees it: posthog-node passes nothing on from one to the other. */
export interface BridgedCall {
  /** false: posthog-node makes up an id. */
  readonly hasIdentity: boolean;
  /** `$process_person_profile` of the caller, which posthog-node replaces if it makes up an id. undefined unless it does. */
  readonly givenProfile?: unknown;
  /** true: the caller waits for PostHog's response. */
  readonly isImmediate?: boolean;
  /** true: the event goes to PostHog's endpoint for AI events. */
  readonly isAi?: boolean;
  /** The error that the event describes. */
  readonly error?: CapturedError;
  /** Set when the event is captured, if `isImmediate`. */
  sent?: Promise<CaptureResult>;
}

export interface CapturedError {
  readonly value: unknown;
  /** Number of errors of its type that the limit suppressed before it. */
  readonly suppressed: number;
}

/** An error is described asynchronously, so a field would mix up calls. */
const calls = new AsyncLocalStorage<BridgedCall>();

export const currentCall = (): BridgedCall | undefined => calls.getStore();

export const runCall = <T>(call: BridgedCall, fn: () => T): T => calls.run(call, fn);
