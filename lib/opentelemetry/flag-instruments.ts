import { type Attributes, type BatchObservableResult, type Meter, type Observable } from '@opentelemetry/api';
import { type FlagStats } from '../capture/flag-stats.js';

/** The instruments for feature flags. Without FeatureFlagsModule they have no values. */
export function flagInstruments(meter: Meter, instance: Attributes) {
  const reads = meter.createObservableCounter('posthog.flags.reads', {
    description: 'Reads of feature flags, by flag and value',
    unit: '{read}',
  });
  const requests = meter.createObservableCounter('posthog.flags.requests', {
    description: 'Requests for the values of feature flags',
    unit: '{request}',
  });
  const timeouts = meter.createObservableCounter('posthog.flags.request.timeouts', {
    description: 'Requests for the values of feature flags that took too long',
    unit: '{request}',
  });
  const coolingDown = meter.createObservableGauge('posthog.flags.cooling_down', {
    description: '1 from a failed request for feature flags until one that succeeds, otherwise 0',
    unit: '1',
  });
  const definitionsAge = meter.createObservableGauge('posthog.flags.definitions.age', {
    description: 'Age of the flag definitions for local evaluation',
    unit: 's',
  });
  const all: Observable[] = [reads, requests, timeouts, coolingDown, definitionsAge];
  const observe = (stats: FlagStats, result: BatchObservableResult): void => {
    for (const read of stats.reads) result.observe(reads, read.count, { ...instance, ...readAttributes(read) });
    if (stats.otherReads > 0) result.observe(reads, stats.otherReads, instance);
    result.observe(requests, stats.requests, instance);
    result.observe(timeouts, stats.timeouts, instance);
    result.observe(coolingDown, stats.coolDownUntil === null ? 0 : 1, instance);
    if (stats.definitionsAgeMs !== null) result.observe(definitionsAge, stats.definitionsAgeMs / 1000, instance);
  };
  return { all, observe };
}

/** @see https://opentelemetry.io/docs/specs/semconv/registry/attributes/feature-flag/ */
function readAttributes({ key, value }: FlagStats['reads'][number]): Attributes {
  return { 'feature_flag.key': key, ...(value !== null && { 'feature_flag.result.variant': String(value) }) };
}
