// The goals, measured in one run side by side, and whether each is met.
import { differences, median, MIB, number, ratio, ratioAbove, spread } from '../support/numbers.mjs';
import { printTable } from '../support/table.mjs';
import * as delivery from './delivery.mjs';
import * as request from './request.mjs';
import { measurePending, measureSlow, overheadBytes } from './scale.mjs';

/** Memory that grows by less than this share from a tenth to the whole of the events is flat. */
const FLAT = 0.1;

export async function goals(sink, { quick }) {
  const rows = [
    ...(await deliveryGoals(sink, quick)),
    ...(await defaultsGoals(sink, quick)),
    ...(await requestGoals(sink, quick)),
    ...(await scaleGoals(sink, quick)),
  ];
  printTable('goals', [
    ['goal', 'wanted', 'measured', 'met'],
    ...rows.map(([goal, wanted, measured, isMet]) => [goal, wanted, measured, isMet ? 'yes' : 'NO']),
  ]);
  if (quick) console.log('\nToo few events and rounds to say anything: --quick shows that it runs.');
}

const fieldOf = (results, field) => (label) => results.get(label).map((round) => round[field]);

async function deliveryGoals(sink, quick) {
  const { FLOOR, OURS, STORE, POSTHOG } = delivery.VARIANTS;
  const variants = [FLOOR, OURS, STORE, POSTHOG].map((one) => ({ ...one, ...delivery.SAME }));
  const load = quick ? { rounds: 1, warmUp: 300, count: 600 } : { rounds: 7, warmUp: 60_000, count: 60_000 };
  const results = await delivery.measureRounds(sink, variants, { latencyMs: 0, ...load });
  const cpu = fieldOf(results, 'cpuUs');
  const rate = fieldOf(results, 'perSecond');
  const ofFloor = ratio(cpu(OURS.label), cpu(FLOOR.label));
  const ofPosthog = ratio(rate(OURS.label), rate(POSTHOG.label));
  const store = differences(cpu(STORE.label), cpu(OURS.label));
  return [
    ['CPU per delivered event, of the floor', 'at most 1.4 (prize 1.1)', number(ofFloor, 2), ofFloor <= 1.4],
    ['events/s, server answers at once, of posthog-node', 'at least 3.5', number(ofPosthog, 2), ofPosthog >= 3.5],
    ['the durable store, µs per event', 'at most 3', spread(store), median(store) <= 3],
  ];
}

async function defaultsGoals(sink, quick) {
  const [floor, ours, posthog] = delivery.OWN_DEFAULTS;
  const load = quick ? { rounds: 1, warmUp: 300, count: 600 } : { rounds: 5, warmUp: 60_000, count: 18_000 };
  const results = await delivery.measureRounds(sink, [floor, ours, posthog], { latencyMs: 50, ...load });
  const rate = fieldOf(results, 'perSecond');
  const ofPosthog = ratio(rate(ours.label), rate(posthog.label));
  const ofFloor = ratio(rate(ours.label), rate(floor.label));
  return [
    ['events/s, own defaults, 50 ms, of posthog-node', 'at least 10', number(ofPosthog, 2), ofPosthog >= 10],
    ['the same of the floor, equal batches and connections', 'at least 0.9', number(ofFloor, 2), ofFloor >= 0.9],
  ];
}

async function requestGoals(sink, quick) {
  const variants = ['bare', 'tracked', 'untracked', 'untracked, context off', 'posthog-node'];
  const load = quick ? { rounds: 1, warmUp: 100, count: 300 } : { rounds: 7, warmUp: 20_000, count: 20_000 };
  const results = await request.measureRounds(sink, { framework: 'fastify', variants, ...load });
  const cpu = fieldOf(results, 'cpuUs');
  const added = (variant) => differences(cpu(variant), cpu('bare'));
  const ofPosthog = ratioAbove(cpu('tracked'), cpu('posthog-node'), cpu('bare'));
  const [on, off] = [added('untracked'), added('untracked, context off')];
  // "Nothing" is what cannot be told from noise: rounds lie on both sides of zero, or the median is below half a microsecond.
  const isNothing = Math.min(...off) <= 0 || median(off) < 0.5;
  return [
    [
      'CPU that a tracked request adds, of posthog-node’s',
      'at most 0.35 (prize 0.25)',
      number(ofPosthog, 2),
      ofPosthog <= 0.35,
    ],
    ['an untracked request, context on, µs', 'at most 4', spread(on), median(on) <= 4],
    ['an untracked request, context off, µs', 'nothing', spread(off), isNothing],
  ];
}

async function scaleGoals(sink, quick) {
  const pending = await measurePending(sink, [quick ? 1000 : 100_000]);
  const overhead = overheadBytes(pending[0]);
  const count = quick ? 5000 : 1_000_000;
  const { memory, lost } = await measureSlow(sink, count);
  const isFlat = memory.at(-1) <= memory[0] * (1 + FLAT);
  const inUse = `${number(memory[0] / MIB)} to ${number(memory.at(-1) / MIB)} MiB`;
  return [
    ['memory per pending event above its bytes', 'at most 200', number(overhead, 0), overhead <= 200],
    [
      `${number(count, 0)} events, slow server, ready()`,
      'flat, nothing lost',
      `${inUse}, ${lost} lost`,
      isFlat && lost === 0,
    ],
  ];
}
