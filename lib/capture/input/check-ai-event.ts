import { isAiEventName } from '../../wire/ai-events.js';
import { checkEvent } from './check-event.js';
import { type Checked } from './source-event.js';

const NOT_AI =
  "PostHog's endpoint for AI events accepts only names that start with $ai_; it was captured as with capture()";

/** Checks the argument of `captureAi`. Never throws. */
export function checkAiEvent(input: unknown): Checked {
  const checked = checkEvent(input);
  if (!checked.ok) return checked;
  const { source, warnings } = checked;
  return isAiEventName(source.event)
    ? { ok: true, source: { ...source, isAi: true }, warnings }
    : { ok: true, source, warnings: [...warnings, NOT_AI] };
}
