import { type CaptureService } from '../capture/capture.service.js';
import { settingsOf } from '../tracking/call/tracking-instance.js';

/**
 * Sends the pending events of all instances. Never rejects.
 *
 * @param timeLimitMs called when the flush begins
 */
export async function flushInstances(captures: readonly CaptureService[], timeLimitMs: () => number): Promise<void> {
  if (captures.length === 0) return;
  // Calls that end with their response capture in the same turn.
  await new Promise((resolve) => setImmediate(resolve));
  const timeoutMs = timeLimitMs();
  await Promise.all(captures.map((capture) => flush(capture, timeoutMs)));
}

async function flush(capture: CaptureService, timeoutMs: number): Promise<void> {
  try {
    const { pending, error } = await capture.flush({ timeoutMs });
    if (pending === 0) return;
    const why = error === null ? '' : ` Last error: ${error}.`;
    settingsOf(capture).warn(
      'withFlush',
      `${pending} events could not be sent at the end of the invocation (time limit: ${Math.round(timeoutMs)} ms). They stay in memory for the next one, and are lost if there is none.${why} Remedy: raise timeoutMs of withFlush and the time limit of the function, or use a queue near the function.`,
    );
  } catch {
    // A test double.
  }
}
