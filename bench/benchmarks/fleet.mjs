// Pods that hand events to relays through Redis, beside direct delivery and BullMQ: see docs/fleet.md.
import { differences, mean, median, number, ratios, spread } from '../support/numbers.mjs';
import { startProcess } from '../support/processes.mjs';
import { withRedis } from '../support/redis.mjs';
import { printTable, progress } from '../support/table.mjs';

const LEG_EVENTS = 20_000;
/** A job for each costs much more. */
const JOB_EVENTS = 4000;
const QUIET_EVENTS = 3000;
const LATENCY_EVENTS = 40_000;
const ACCEPTED = 5000;
/** Turns until a process has compiled its code. */
const WARM_UP_TURNS = 6;
/** The first runs of each leg count as its start. */
const FIRST_RUNS = 5;

/** How BullMQ gets the events. */
const JOBS = {
  bulk: { label: 'BullMQ, a job per event, added 100 at a time', events: JOB_EVENTS },
  single: { label: 'BullMQ, a job per event, added one by one', events: JOB_EVENTS },
  hundred: { label: 'BullMQ, a job per hundred', events: LEG_EVENTS },
};

export const fleet = (sink, { quick }) => withRedis((redis) => measureFleet(sink, redis, quick));

async function measureFleet(sink, redis, quick) {
  const scale = quick ? 0.05 : 1;
  const children = [];
  const start = async (options) => {
    const child = startProcess('fleet');
    children.push(child);
    await child.call('open', { url: sink.url, path: redis.path, ...options });
    return child;
  };
  const turns = quick ? { measured: 1, warmUp: 0 } : { measured: 7, warmUp: WARM_UP_TURNS };
  try {
    const samples = await measureLegs({ sink, redis, start, turns, scale });
    printLegs(samples);
    printJobs(samples);
    printRest(await measureRest({ sink, redis, start, scale }), samples);
    if (quick) console.log('\n--quick has too few events and turns for meaningful results.');
  } finally {
    progress('');
    for (const child of children) await child.stop();
  }
}

/** Runs a leg, and measures what it costs Redis. */
async function measured(redis, child, request) {
  const cpu = await redis.cpuUs();
  const result = await child.call('run', request);
  return { ...result, redisUs: ((await redis.cpuUs()) - cpu) / request.count };
}

/**
 * Each leg runs twice per turn, and the second run counts: a process that was idle while the others ran has cold caches, and V8 has shrunk its
 * young generation meanwhile, which is not how a busy one works.
 */
async function measureLegs({ sink, redis, start, turns, scale }) {
  const count = Math.ceil(LEG_EVENTS * scale);
  const child = {};
  for (const name of ['direct', 'pod', 'discarding', 'relay']) child[name] = await start({ name });
  const jobs = {};
  for (const [kind, { label, events }] of Object.entries(JOBS)) {
    const add = await start({ name: 'bullAdd', kind });
    const work = await start({ name: 'bullWork', kind });
    jobs[kind] = { label, count: Math.ceil(events * scale), add, work };
    await add.call('make', { count: jobs[kind].count });
  }
  const eventBytes = await child.direct.call('make', { count });
  for (const name of ['pod', 'discarding']) await child[name].call('make', { count });

  const samples = {
    eventBytes,
    direct: [],
    pod: [],
    discarding: [],
    relay: [],
    first: { direct: [], pod: [], relay: [] },
  };
  for (const kind of Object.keys(jobs)) samples[kind] = [];
  const runs = {
    async direct() {
      await sink.reset({ count });
      const direct = await measured(redis, child.direct, { count });
      await sink.verified('direct');
      return { direct };
    },
    async fleet() {
      await redis.clear();
      const emptyBytes = await redis.usedBytes();
      const pod = await measured(redis, child.pod, { count });
      pod.bytes = ((await redis.usedBytes()) - emptyBytes) / count;
      await sink.reset({ count });
      const relay = await measured(redis, child.relay, { count });
      await sink.verified('relay');
      return { pod, relay };
    },
    async discarding() {
      return { discarding: await measured(redis, child.discarding, { count }) };
    },
  };
  for (const [kind, { add, work, count: events }] of Object.entries(jobs)) {
    runs[kind] = async () => {
      await redis.clear();
      const emptyBytes = await redis.usedBytes();
      const added = await measured(redis, add, { count: events });
      const bytes = ((await redis.usedBytes()) - emptyBytes) / events;
      return { [kind]: { add: added, bytes, work: await measured(redis, work, { count: events }) } };
    };
  }
  for (let turn = 1; turn <= turns.warmUp + turns.measured; turn += 1) {
    progress(`fleet: turn ${turn} of ${turns.warmUp + turns.measured}`);
    for (const run of Object.values(runs)) {
      const before = await run();
      const results = await run();
      for (const [leg, result] of Object.entries(results)) {
        const first = samples.first[leg];
        if (first && first.length < FIRST_RUNS) first.push(before[leg].cpuUs, result.cpuUs);
        if (turn > turns.warmUp) samples[leg].push(result);
      }
    }
  }
  progress('');
  return samples;
}

const of = (turns, field) => turns.map((turn) => turn[field]);
const none = '–';

function printLegs({ direct, pod, discarding, relay, eventBytes, first }) {
  const cpu = of(direct, 'cpuUs');
  const startOf = (leg) => mean(first[leg].slice(0, FIRST_RUNS));
  const row = (label, turns, start, redis) => [
    label,
    spread(of(turns, 'cpuUs')),
    turns === direct ? '1' : spread(ratios(of(turns, 'cpuUs'), cpu), 2),
    start,
    turns === discarding ? none : spread(of(turns, 'perSecond'), 0),
    ...redis,
  ];
  const started = (leg) => `${number(startOf(leg))} (× ${number(startOf(leg) / startOf('direct'), 2)})`;
  printTable(`fleet: legs, per event of ${number(eventBytes, 0)} bytes, 100 per turn of the event loop`, [
    [
      'leg',
      'CPU µs',
      '× direct',
      `the first ${number(FIRST_RUNS * LEG_EVENTS, 0)} of a process`,
      'events/s',
      'Redis µs',
      'Redis bytes',
    ],
    row('direct to PostHog', direct, number(startOf('direct')), [none, none]),
    row('pod to Redis', pod, started('pod'), [spread(of(pod, 'redisUs'), 2), spread(of(pod, 'bytes'), 0)]),
    row('of it without the queue: a sender that discards', discarding, none, [none, none]),
    row('relay, Redis to PostHog', relay, started('relay'), [spread(of(relay, 'redisUs'), 2), none]),
  ]);
}

/**
 * Putting and taking ready-made events. The first row includes what the package does for the events until the queue has them, which an
 * application with BullMQ has to do itself: a bounded queue, order by person, retries, counts. The second row is without it.
 */
function printJobs({ direct, pod, discarding, relay, ...samples }) {
  const put = of(pod, 'cpuUs');
  const writing = differences(put, of(discarding, 'cpuUs'));
  const taking = differences(of(relay, 'cpuUs'), of(direct, 'cpuUs'));
  const redisUs = relay.map((turn, index) => turn.redisUs + pod[index].redisUs);
  // Of medians, because a difference may be close to zero in a single turn.
  const times = (others, ours) => number(median(others) / median(ours));
  const rowOf = (kind) => {
    const added = of(of(samples[kind], 'add'), 'cpuUs');
    const taken = of(of(samples[kind], 'work'), 'cpuUs');
    const server = samples[kind].map(({ add, work }) => add.redisUs + work.redisUs);
    return [
      JOBS[kind].label,
      spread(added),
      times(added, put),
      times(added, writing),
      spread(taken),
      times(taken, taking),
      spread(server, 2),
      times(server, redisUs),
      spread(of(samples[kind], 'bytes'), 0),
    ];
  };
  printTable('fleet: the queue beside BullMQ, per event; its workers do nothing with the jobs', [
    [
      'queue',
      'put, CPU µs',
      '× ours',
      '× ours, queue alone',
      'take, CPU µs',
      '× ours',
      'Redis µs',
      '× ours',
      'Redis bytes',
    ],
    [
      'this package (taking: the relay less direct)',
      spread(put),
      none,
      none,
      spread(taking),
      none,
      spread(redisUs, 2),
      none,
      spread(of(pod, 'bytes'), 0),
    ],
    ['the queue alone: less a sender that discards', spread(writing), none, none, none, none, none, none, none],
    ...Object.keys(JOBS).map(rowOf),
  ]);
}

async function measureRest({ sink, redis, start, scale }) {
  const results = {};
  const pod = await start({ name: 'pod' });
  const direct = await start({ name: 'direct' });
  const quiet = Math.ceil(QUIET_EVENTS * scale);
  for (const [name, child] of Object.entries({ pod, direct })) {
    progress(`fleet: one event per turn, ${name}`);
    await sink.reset({ count: quiet });
    await child.call('make', { count: quiet });
    for (let turn = 0; turn < 3; turn += 1)
      results[`${name}Quiet`] = await child.call('run', { count: quiet, perTurn: 1 });
  }
  const accepted = Math.ceil(ACCEPTED * scale);
  for (const [name, child] of Object.entries({ direct, pod })) {
    progress(`fleet: accept(), ${name}`);
    await child.call('make', { count: accepted });
    for (let turn = 0; turn < 3; turn += 1) {
      results[`${name}Accept`] = await child.call('accept', {});
      await child.call('flush');
    }
  }
  redis.freeze();
  results.frozenAccept = await pod.call('accept', {});
  redis.thaw();
  await pod.call('flush');
  const count = Math.ceil(LATENCY_EVENTS * scale);
  await pod.call('make', { count });
  for (const { latencyMs, relays } of [
    { latencyMs: 200, relays: 1 },
    { latencyMs: 200, relays: 2 },
    { latencyMs: 50, relays: 1 },
  ]) {
    progress(`fleet: relays at ${latencyMs} ms: ${relays}`);
    await redis.clear();
    await sink.reset({ latencyMs, count });
    results[`${relays} at ${latencyMs}`] = await deliveredBy({ sink, redis, start, pod, relays, count });
  }
  progress('');
  return results;
}

/** Events per second from the pod's first event to the last response. Each relay has its partitions before. */
async function deliveredBy({ sink, redis, start, pod, relays, count }) {
  const children = [];
  while (children.length < relays) children.push(await start({ name: 'relay' }));
  // How many each gets is not known: they end when the sink has all.
  for (const child of children) child.call('run', { count: Infinity }).catch(() => undefined);
  while ((await redis.relays()) < relays) await pause();
  const startedAt = performance.now();
  await pod.call('run', { count });
  let ms = 0;
  for (let arrived = 0; arrived < count; ms = performance.now() - startedAt) {
    await pause();
    arrived = (await sink.report()).events;
  }
  for (const child of children) await child.stop();
  return (count * 1000) / ms;
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

function printRest(results, { relay, direct }) {
  const { podQuiet, directQuiet, directAccept, podAccept, frozenAccept } = results;
  const accept = ({ p50Us, p99Us }) => `${number(p50Us, 2)} (99%: ${number(p99Us, 2)})`;
  printTable('fleet: other figures', [
    ['figure', 'result'],
    ['CPU of a pod per event, one event per turn, µs', number(podQuiet.cpuUs)],
    ['the same, direct to PostHog', number(directQuiet.cpuUs)],
    ['accept() at the caller, direct to PostHog, µs', accept(directAccept)],
    ['the same, pod', accept(podAccept)],
    ['the same, pod, while Redis is frozen', accept(frozenAccept)],
    ['relay, immediate responses: events/s of one core', number(median(of(relay, 'cpuUs').map((us) => 1e6 / us)), 0)],
    ['direct, immediate responses: events/s of one core', number(median(of(direct, 'cpuUs').map((us) => 1e6 / us)), 0)],
    ['one relay at 200 ms, events/s', number(results['1 at 200'], 0)],
    ['two relays at 200 ms, × one', number(results['2 at 200'] / results['1 at 200'], 2)],
    ['one relay at 50 ms, events/s', number(results['1 at 50'], 0)],
  ]);
}
