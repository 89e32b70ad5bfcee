import { type Attributes, type BatchObservableResult, type Meter, type Observable } from '@opentelemetry/api';

/** The values of one collection, with the attributes of each. An unknown value is not reported. */
export type Values = number | null | undefined | readonly (readonly [value: number, attributes?: Attributes])[];

/** An instrument whose values are read from `Stats` on each collection. */
export interface Instrument<Stats> {
  readonly kind: 'counter' | 'upDownCounter' | 'gauge';
  readonly unit: string;
  readonly description: string;
  readonly read: (stats: Stats) => Values;
}

const CREATE = {
  counter: 'createObservableCounter',
  upDownCounter: 'createObservableUpDownCounter',
  gauge: 'createObservableGauge',
} as const;

/**
 * Creates instruments.
 *
 * @param table the instruments by name
 * @param common attributes of all values
 */
export function createInstruments<Stats>(
  meter: Meter,
  table: Readonly<Record<string, Instrument<Stats>>>,
  common: Attributes,
) {
  const created = Object.entries(table).map(([name, { kind, unit, description, read }]) => {
    const observable: Observable = meter[CREATE[kind]](name, { unit, description });
    return { observable, read };
  });
  return {
    all: created.map(({ observable }) => observable),
    observe: (stats: Stats, result: BatchObservableResult): void => {
      for (const { observable, read } of created)
        for (const [value, own] of listOf(read(stats))) result.observe(observable, value, { ...common, ...own });
    },
  };
}

function listOf(values: Values): Exclude<Values, number | null | undefined> {
  if (typeof values === 'number') return [[values]];
  return values ?? [];
}
