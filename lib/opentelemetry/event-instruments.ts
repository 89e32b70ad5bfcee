import { type Attributes, type BatchObservableResult, type Meter, type Observable } from '@opentelemetry/api';
import { type EventStats } from '../capture/event-stats.js';

/** The instruments for the events by name. */
export function eventInstruments(meter: Meter, instance: Attributes) {
  const events = (description: string) => ({ description, unit: '{event}' });
  const captured = meter.createObservableCounter(
    'posthog.capture.by_event.captured',
    events('Capture calls by event, including those whose event was dropped immediately'),
  );
  const dropped = meter.createObservableCounter(
    'posthog.capture.by_event.dropped',
    events('Events dropped, by event and reason'),
  );
  const bytes = meter.createObservableCounter('posthog.capture.by_event.size', {
    description: 'Size of the events as JSON, by event',
    unit: 'By',
  });
  const personless = meter.createObservableCounter(
    'posthog.capture.by_event.personless',
    events('Events without a person profile, by event'),
  );
  const all: Observable[] = [captured, dropped, bytes, personless];
  const observe = (byEvent: readonly EventStats[], result: BatchObservableResult): void => {
    for (const stats of byEvent) {
      const attributes = { ...instance, 'posthog.capture.event.name': stats.event };
      result.observe(captured, stats.captured, attributes);
      result.observe(bytes, stats.bytes, attributes);
      result.observe(personless, stats.personless, attributes);
      for (const [reason, count] of Object.entries(stats.droppedByReason))
        result.observe(dropped, count, { ...attributes, 'posthog.capture.drop.reason': reason });
    }
  };
  return { all, observe };
}
