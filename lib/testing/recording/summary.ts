import { type Recording } from './recording.js';

/** More drops than this are only counted. */
const MAX_DROPS = 5;

/** What a recording holds, and why it may hold nothing, in a few lines. */
export function summaryOf(recording: Recording): string {
  const { events, dropped, cleared, others } = recording;
  const elsewhere = others.flatMap((other) => other.events);
  return [
    ...stateOf(recording),
    `Captured: ${countNames(events)}`,
    ...(cleared > 0 ? [`Before clear(): ${cleared} ${plural('event', cleared)}`] : []),
    ...(elsewhere.length > 0
      ? [`${recording.isIsolated ? 'Not in this' : 'In an'} isolate(): ${countNames(elsewhere)}`]
      : []),
    dropped.length > 0 ? 'Dropped:' : 'Dropped: nothing',
    ...dropped
      .slice(0, MAX_DROPS)
      .map(({ reason, event, detail }) => `  ${JSON.stringify(event)} (${reason}): ${detail}`),
    ...(dropped.length > MAX_DROPS ? [`  and ${dropped.length - MAX_DROPS} more`] : []),
  ].join('\n');
}

/** `order_placed (2), page_view (1)`, in the order of their first. */
function countNames(events: readonly { readonly event: string }[]): string {
  const counts = new Map<string, number>();
  for (const { event } of events) counts.set(event, (counts.get(event) ?? 0) + 1);
  return counts.size === 0 ? 'nothing' : [...counts].map(([event, count]) => `${event} (${count})`).join(', ');
}

function stateOf({ state, name }: Recording): string[] {
  if (state === 'recording') return [];
  if (state === 'disabled') {
    return [
      'The instance is disabled, by option enabled or by disable(), and captures nothing. ' +
        'Where code says enabled: false, overrideCapture(builder, { enabled: true }) turns it on.',
    ];
  }
  const module = name === undefined ? 'PostHogCaptureModule' : `PostHogCaptureModule with the name "${name}"`;
  return [
    `No instance writes to this recorder. Does the application import ${module}, and was the builder compiled after overrideCapture()?`,
  ];
}

export const plural = (noun: string, count: number): string => (count === 1 ? noun : `${noun}s`);
