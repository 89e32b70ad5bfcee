import { type EventMessage } from 'posthog-node';
import { type CaptureService } from '../capture/capture.service.js';
import { type BridgedCall } from './bridged-call.js';

/** An id that no caller gave. */
export interface MadeUpId {
  readonly id: string;
  /** true: the id means nothing, so the context has a better one in any case. */
  readonly isReplaceable: boolean;
}

const UUID_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * The distinct id of an event that posthog-node or `@posthog/ai` has made up: a new uuid, or the id of a trace; both with
 * `$process_person_profile: false`. undefined if the caller gave the id.
 */
export function madeUpId(event: EventMessage, call: BridgedCall | undefined): MadeUpId | undefined {
  const { distinctId: id, properties = {} } = event;
  if (id === undefined || properties.$process_person_profile !== false) return undefined;
  if (call?.hasIdentity === false) return { id, isReplaceable: true };
  if (call === undefined) {
    // The error of a process, which posthog-node has caught itself.
    return event.event === '$exception' && UUID_7.test(id) ? { id, isReplaceable: true } : undefined;
  }
  const isOfTrace = id === properties.$ai_trace_id || id === properties.$ai_span_id;
  return event.event.startsWith('$ai_') && isOfTrace ? { id, isReplaceable: false } : undefined;
}

/** The person of the context. Never throws: a test double of the service may have no context. */
export function personOf(capture: CaptureService): string | undefined {
  try {
    const { distinctId } = capture.context.get();
    return distinctId === undefined ? undefined : String(distinctId);
  } catch {
    return undefined;
  }
}
