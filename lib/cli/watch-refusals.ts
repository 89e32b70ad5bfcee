import { type FakePostHog } from '../testing/fake-posthog/fake-posthog.js';
import { type RecordedRequest } from '../testing/fake-posthog/recorded.js';

/** The longest wait that a timer can hold. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Calls `listener` once for each request that was refused or broke a rule of PostHog's API, with what was wrong in a
 * line, until the server is closed.
 */
export function watchRefusals(posthog: FakePostHog, listener: (refusal: string, receivedAt: number) => void): void {
  const open = new Set<RecordedRequest>();
  let next = 0;
  const look = (): boolean => {
    for (let at = posthog.requests.length - 1; at >= 0; at--) {
      const request = posthog.requests[at];
      if (request === undefined || request.index < next) break;
      open.add(request);
    }
    next = (posthog.requests.at(-1)?.index ?? next - 1) + 1;
    for (const request of open) {
      if (request.status === null && !request.aborted) continue;
      open.delete(request);
      const refusal = describeRefusal(request, posthog);
      if (refusal !== null) listener(refusal, request.receivedAt);
    }
    return false;
  };
  // The condition never holds, but it is asked after every change.
  posthog.waitFor(look, { timeoutMs: LONGEST_MS }).catch(() => undefined);
}

function describeRefusal({ method, path, status, index }: RecordedRequest, posthog: FakePostHog): string | null {
  const broken = posthog.violations.filter(({ requestIndex }) => requestIndex === index);
  const refused = status !== null && status >= 300;
  if (!refused && broken.length === 0) return null;
  const verdict = refused ? `refused ${status}` : `accepted ${status ?? ''} but`;
  return `${verdict}  ${method} ${path}  ${broken.map(({ rule, detail }) => `${rule}: ${detail}`).join('; ')}`;
}
