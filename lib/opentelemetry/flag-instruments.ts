import { type Attributes } from '@opentelemetry/api';
import { type FlagStats } from '../capture/flag-stats.js';
import { type Instrument } from './instruments.js';

/** Without FeatureFlagsModule they have no values. */
export const FLAG_INSTRUMENTS: Readonly<Record<string, Instrument<FlagStats>>> = {
  'posthog.flags.reads': {
    kind: 'counter',
    unit: '{read}',
    description: 'Reads of feature flags, by flag and value',
    read: ({ reads, otherReads }) => [
      ...reads.map((read) => [read.count, readAttributes(read)] as const),
      ...(otherReads > 0 ? [[otherReads] as const] : []),
    ],
  },
  'posthog.flags.requests': {
    kind: 'counter',
    unit: '{request}',
    description: 'Requests for the values of feature flags',
    read: ({ requests }) => requests,
  },
  'posthog.flags.request.timeouts': {
    kind: 'counter',
    unit: '{request}',
    description: 'Requests for the values of feature flags that took too long',
    read: ({ timeouts }) => timeouts,
  },
  'posthog.flags.cooling_down': {
    kind: 'gauge',
    unit: '1',
    description: '1 from a failed request for feature flags until one that succeeds, otherwise 0',
    read: ({ coolDownUntil }) => (coolDownUntil === null ? 0 : 1),
  },
  'posthog.flags.definitions.age': {
    kind: 'gauge',
    unit: 's',
    description: 'Age of the flag definitions for local evaluation',
    read: ({ definitionsAgeMs }) => definitionsAgeMs && definitionsAgeMs / 1000,
  },
};

/** @see https://opentelemetry.io/docs/specs/semconv/registry/attributes/feature-flag/ */
function readAttributes({ key, value }: FlagStats['reads'][number]): Attributes {
  return { 'feature_flag.key': key, ...(value !== null && { 'feature_flag.result.variant': String(value) }) };
}
