// Measures all goals side by side in one run, and reports whether they are met.
import { differences, median, MIB, number, ratioAbove, ratios, spread } from '../support/numbers.mjs';
import { printTable } from '../support/table.mjs';
import * as delivery from './delivery.mjs';
import * as request from './request.mjs';
import { measurePending, measureSlow, overheadBytes } from './scale.mjs';

/** Memory counts as flat if it grows by less than this share from a tenth of the events to all of them. */
const FLAT = 0.1;
/** Differences below this are noise. */
const NOTHING_US = 1;

export async function goals(sink, { quick }) {
  const rows = [
    ...(await deliveryGoals(sink, quick)),
    ...(await defaultsGoals(sink, quick)),
    ...(await requestGoals(sink, quick)),
    ...(await scaleGoals(sink, quick)),
  ];
  printTable('goals', [
    ['goal', 'wanted', 'measured', 'met'],
    ...rows.map(([goal, wanted, measured, isMet]) => [goal, wanted, measured, verdict(isMet, quick)]),
  ]);
  if (quick) console.log('\n--quick has too few events and rounds for meaningful results.');
}

/** A row without a result is for comparison only. */
const verdict = (isMet, quick) => (quick || isMet === undefined ? '–' : isMet ? 'yes' : 'NO');

const fieldOf =
  (samples, field) =>
  ({ label }) =>
    samples.get(label).map((turn) => turn[field]);

async function deliveryGoals(sink, quick) {
  const { FLOOR, FLOOR_1, OURS, STORE, POSTHOG } = delivery.CLIENTS;
  const load = quick ? delivery.QUICK : { rounds: 4 };
  const variants = delivery.alike([FLOOR, FLOOR_1, OURS, STORE, POSTHOG]);
  const samples = await delivery.measureDelivery(sink, variants, { ...delivery.LASTING, ...load });
  const cpu = fieldOf(samples, 'cpuUs');
  const rate = fieldOf(samples, 'perSecond');
  const ofFloor = ratios(cpu(OURS), cpu(FLOOR));
  const ofFloor1 = ratios(cpu(OURS), cpu(FLOOR_1));
  const ofPosthog = ratios(rate(OURS), rate(POSTHOG));
  const store = differences(cpu(STORE), cpu(OURS));
  return [
    ['CPU per delivered event, of the floor', 'at most 1.4 (prize 1.1)', spread(ofFloor, 2), median(ofFloor) <= 1.4],
    ['the same, of a floor with gzip level 1', 'at most 1.4 (prize 1.1)', spread(ofFloor1, 2), median(ofFloor1) <= 1.4],
    ['events/s, immediate responses, of posthog-node', 'at least 3.5', spread(ofPosthog, 2), median(ofPosthog) >= 3.5],
    ['the durable store, µs per event', 'at most 3', spread(store), median(store) <= 3],
  ];
}

async function defaultsGoals(sink, quick) {
  const [FLOOR, FLOOR_1, OURS, POSTHOG] = delivery.OWN_DEFAULTS;
  const load = quick ? delivery.QUICK : { warmUp: 60_000, count: 18_000, rounds: 2, turns: 4 };
  const samples = await delivery.measureDelivery(sink, [FLOOR, FLOOR_1, OURS, POSTHOG], { latencyMs: 50, ...load });
  const rate = fieldOf(samples, 'perSecond');
  const ofPosthog = ratios(rate(OURS), rate(POSTHOG));
  const ofFloor = ratios(rate(OURS), rate(FLOOR));
  const ofFloor1 = ratios(rate(OURS), rate(FLOOR_1));
  return [
    ['events/s, own defaults, 50 ms, of posthog-node', 'at least 10', spread(ofPosthog, 2), median(ofPosthog) >= 10],
    [
      'the same of the floor, equal batches and connections',
      'at least 0.9',
      spread(ofFloor, 2),
      median(ofFloor) >= 0.9,
    ],
    ['the same of a floor with gzip level 1', 'at least 0.9', spread(ofFloor1, 2), median(ofFloor1) >= 0.9],
  ];
}

async function requestGoals(sink, quick) {
  const { BARE, OWN_CONTEXT, TRACKED, UNTRACKED, NO_CONTEXT, POSTHOG } = request.APPLICATIONS;
  // For differences of a few microseconds: many short turns in many processes, because memory layout differs between processes.
  const load = quick ? request.QUICK : { warmUp: 20_000, count: 1500, rounds: 6, turns: 20 };
  const events = await request.measureRequests(sink, 'fastify', [BARE, TRACKED, POSTHOG], load);
  const ofPosthog = ratioAbove(...[TRACKED, POSTHOG, BARE].map(fieldOf(events, 'cpuUs')));

  /** Cost of each application above one without analytics. */
  const added = async (...[bare, ...applications]) => {
    const samples = await request.measureRequests(sink, 'fastify', [bare, ...applications], { ...load, awake: true });
    const cpu = fieldOf(samples, 'cpuUs');
    return applications.map((application) => differences(cpu(application), cpu(bare)));
  };
  const [alone, on, off] = await added(BARE, OWN_CONTEXT, UNTRACKED, NO_CONTEXT);
  const [youngAlone, youngOn, youngOff] = await added(...[BARE, OWN_CONTEXT, UNTRACKED, NO_CONTEXT].map(request.young));
  const untracked = 'an untracked request, context';
  const young = 'young processes';
  const itsOwn = 'a request with an AsyncLocalStorage of the application’s own, µs';
  return [
    [
      'CPU that a tracked request adds, of posthog-node’s',
      'at most 0.35 (prize 0.25)',
      number(ofPosthog, 2),
      ofPosthog <= 0.35,
    ],
    [`${untracked} on, µs`, 'at most 4', spread(on), median(on) <= 4],
    [`${untracked} on, ${young}, µs`, 'at most 4', spread(youngOn), median(youngOn) <= 4],
    [itsOwn, '–', spread(alone), undefined],
    [`${itsOwn}, ${young}`, '–', spread(youngAlone), undefined],
    // May be below zero, because the application without analytics has slower ticks.
    [`${untracked} off, µs`, 'nothing', spread(off), median(off) <= NOTHING_US],
    [`${untracked} off, ${young}, µs`, 'nothing', spread(youngOff), median(youngOff) <= NOTHING_US],
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
