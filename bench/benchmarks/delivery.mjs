// From `capture()` to the server's answer: CPU per event, events per second, peak memory.
import { differences, median, MIB, number, ratio, spread } from '../support/numbers.mjs';
import { withFolder, withProcess } from '../support/processes.mjs';
import { printTable, progress } from '../support/table.mjs';

const FLOOR = { label: 'floor', name: 'floor' };
const OURS = { label: 'nestjs-posthog-capture', name: 'ours' };
const STORE = { label: 'nestjs-posthog-capture, lmdb store', name: 'ours', store: true };
const POSTHOG = { label: 'posthog-node', name: 'posthog-node' };
const SEGMENT = { label: '@segment/analytics-node', name: 'segment' };
const v1 = (client) => ({ ...client, label: `${client.label}, v1`, mode: 'v1' });

/** The same for all: batches of a hundred, at most a thousand events in a client, four connections where a client can be told. */
export const SAME = { batch: 100, window: 1000 };

export const VARIANTS = {
  FLOOR,
  OURS,
  STORE,
  POSTHOG,
  SEGMENT,
  FLOOR_V1: v1(FLOOR),
  OURS_V1: v1(OURS),
  POSTHOG_V1: v1(POSTHOG),
};

/**
 * Events before the measured ones. A multiple of everybody's batches, as are all counts here: Segment's client leaves what is less than
 * a batch to its timer of ten seconds, also when it is told to flush.
 */
const WARM_UP = 60_000;

/** Each with its own defaults; the floor with ours. */
export const OWN_DEFAULTS = [{ ...FLOOR, batch: 500, window: 50_000 }, OURS, POSTHOG, SEGMENT];

/** One client, from its boot to its end. Throws unless every event arrived exactly once. */
export async function measure(sink, { name, mode = 'v0', store, ...variant }, { latencyMs, count, warmUp }) {
  const env = mode === 'v1' && name === 'posthog-node' ? { POSTHOG_CAPTURE_MODE: 'v1' } : {};
  return withFolder((storePath) =>
    withProcess('client', { env }, async (client) => {
      await sink.call('reset', { count: warmUp });
      await client.call('open', { name, mode, url: sink.url, ...(store && { storePath }), ...variant });
      await client.call('run', { first: 0, count: warmUp });
      await sink.call('reset', { latencyMs, first: warmUp, count });
      const measured = await client.call('run', { first: warmUp, count });
      const report = await sink.call('report');
      const { missing, repeated, strange } = report;
      if (missing + repeated + strange > 0) {
        throw new Error(
          `${name}: of ${count} events ${missing} never came, ${repeated} came again, ${strange} were none of them`,
        );
      }
      await client.call('close');
      return { ...measured, report };
    }),
  );
}

/** Rounds of all variants, one after the other in each. Gives what each round measured, by label. */
export async function measureRounds(sink, variants, { rounds, ...load }) {
  const results = new Map(variants.map(({ label }) => [label, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const variant of variants) {
      progress(`delivery, ${load.latencyMs} ms: round ${round} of ${rounds}, ${variant.label}`);
      results.get(variant.label).push(await measure(sink, variant, load));
    }
  }
  progress('');
  return results;
}

export async function delivery(sink, { quick }) {
  const rounds = quick ? 1 : 5;
  const { FLOOR_V1, OURS_V1, POSTHOG_V1 } = VARIANTS;
  const all = [FLOOR, OURS, STORE, POSTHOG, SEGMENT, FLOOR_V1, OURS_V1, POSTHOG_V1].map((one) => ({ ...one, ...SAME }));
  const loads = quick
    ? [{ latencyMs: 5, count: 1000 }]
    : [
        { latencyMs: 0, count: 60_000 },
        { latencyMs: 50, count: 12_000 },
        { latencyMs: 200, count: 4000 },
      ];
  const warmUp = quick ? 300 : WARM_UP;
  for (const load of loads) {
    const results = await measureRounds(sink, all, { rounds, warmUp, ...load });
    print(
      `delivery: batches of 100, the server answers after ${load.latencyMs} ms (${load.count} events, ${rounds} rounds)`,
      results,
    );
  }
  if (quick) return;
  const load = { latencyMs: 50, count: 18_000 };
  const results = await measureRounds(sink, OWN_DEFAULTS, { rounds: 3, warmUp, ...load });
  print(`delivery: each client's own defaults, the server answers after 50 ms (${load.count} events)`, results);
}

function print(title, results) {
  const of = (label, field) => results.get(label)?.map((round) => round[field]);
  const rows = [...results].map(([label, rounds]) => {
    const mode = label.endsWith(', v1') ? ', v1' : '';
    const cpu = of(label, 'cpuUs');
    const rate = of(label, 'perSecond');
    const { report } = rounds[0];
    return [
      label,
      spread(cpu),
      `${number(ratio(cpu, of(`floor${mode}`, 'cpuUs')), 2)}`,
      spread(rate, 0),
      number(ratio(rate, of(`posthog-node${mode}`, 'perSecond')), 2),
      number(ratio(rate, of(`floor${mode}`, 'perSecond')), 2),
      number(median(of(label, 'peakBytes')) / MIB, 0),
      number(report.jsonBytes / report.events, 0),
      number(report.wireBytes / report.events, 0),
      number(report.events / report.requests, 0),
      report.atOnce,
    ];
  });
  printTable(title, [
    [
      'client',
      'CPU µs/event',
      '× floor',
      'events/s',
      '× posthog-node',
      '× floor',
      'peak MiB',
      'bytes/event',
      'on the wire',
      'per request',
      'at once',
    ],
    ...rows,
  ]);
  const store = of(STORE.label, 'cpuUs');
  if (store) console.log(`\nThe store adds ${spread(differences(store, of(OURS.label, 'cpuUs')))} µs per event.`);
}
