// Pods that hand events to relays through Redis, beside direct delivery and BullMQ: see docs/fleet.md.
import { median, number, ratios, spread } from '../support/numbers.mjs';
import { startProcess } from '../support/processes.mjs';
import { withRedis } from '../support/redis.mjs';
import { printTable, progress } from '../support/table.mjs';

const LEG_EVENTS = 20_000;
/** A job for each costs much more. */
const JOB_EVENTS = 4000;
const QUIET_EVENTS = 3000;
const LATENCY_EVENTS = 40_000;
const ACCEPTED = 5000;

export const fleet = (sink, { quick }) => withRedis((redis) => measureFleet(sink, redis, quick));

async function measureFleet(sink, redis, quick) {
  const scale = quick ? 0.05 : 1;
  const turns = quick ? 1 : 7;
  const children = [];
  const start = async (options) => {
    const child = startProcess('fleet');
    children.push(child);
    await child.call('open', { url: sink.url, path: redis.path, ...options });
    return child;
  };
  try {
    const samples = await measureLegs({ sink, redis, start, turns, warmUp: quick ? 0 : 3, scale });
    printLegs(samples);
    printBull(samples);
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

async function measureLegs({ sink, redis, start, turns, warmUp, scale }) {
  const legs = {
    direct: await start({ name: 'direct' }),
    pod: await start({ name: 'pod' }),
    discarding: await start({ name: 'discarding' }),
    relay: await start({ name: 'relay' }),
  };
  const bulls = [];
  for (const perJob of [1, 100]) {
    const count = Math.ceil((perJob === 1 ? JOB_EVENTS : LEG_EVENTS) * scale);
    const add = await start({ name: 'bullAdd', perJob });
    bulls.push({ perJob, count, add, work: null });
    await add.call('make', { count });
  }
  const count = Math.ceil(LEG_EVENTS * scale);
  const eventBytes = await legs.direct.call('make', { count });
  await legs.pod.call('make', { count });
  await legs.discarding.call('make', { count });
  const samples = { direct: [], pod: [], discarding: [], relay: [], 1: [], 100: [], eventBytes };
  for (let turn = 1; turn <= turns + warmUp; turn += 1) {
    progress(`fleet: turn ${turn} of ${turns + warmUp}`);
    await sink.reset({ count });
    const direct = await measured(redis, legs.direct, { count });
    await sink.verified('direct');
    await redis.clear();
    const emptyBytes = await redis.usedBytes();
    const pod = await measured(redis, legs.pod, { count });
    pod.bytes = ((await redis.usedBytes()) - emptyBytes) / count;
    const discarding = await measured(redis, legs.discarding, { count });
    await sink.reset({ count });
    const relay = await measured(redis, legs.relay, { count });
    await sink.verified('relay');
    const jobs = {};
    for (const bull of bulls) {
      await redis.clear();
      const before = await redis.usedBytes();
      const add = await measured(redis, bull.add, { count: bull.count });
      const bytes = ((await redis.usedBytes()) - before) / bull.count;
      // A worker of its own for each kind of job: they share a queue.
      const work = await start({ name: 'bullWork', perJob: bull.perJob });
      const taken = await measured(redis, work, { count: bull.count });
      await work.stop();
      jobs[bull.perJob] = { add, work: taken, bytes };
    }
    if (turn <= warmUp) continue;
    samples.direct.push(direct);
    samples.pod.push(pod);
    samples.discarding.push(discarding);
    samples.relay.push(relay);
    for (const { perJob } of bulls) samples[perJob].push(jobs[perJob]);
  }
  progress('');
  return samples;
}

const of = (turns, field) => turns.map((turn) => turn[field]);

function printLegs({ direct, pod, discarding, relay, eventBytes }) {
  const cpu = of(direct, 'cpuUs');
  printTable(`fleet: legs, per event of ${number(eventBytes, 0)} bytes, 100 per turn of the event loop`, [
    ['leg', 'CPU µs', '× direct', 'events/s', 'Redis µs', 'Redis bytes'],
    ['direct to PostHog', spread(cpu), '1', spread(of(direct, 'perSecond'), 0), '–', '–'],
    [
      'pod to Redis',
      spread(of(pod, 'cpuUs')),
      spread(ratios(of(pod, 'cpuUs'), cpu), 2),
      spread(of(pod, 'perSecond'), 0),
      spread(of(pod, 'redisUs'), 2),
      spread(of(pod, 'bytes'), 0),
    ],
    [
      'of it without the queue: a sender that discards',
      spread(of(discarding, 'cpuUs')),
      spread(ratios(of(discarding, 'cpuUs'), cpu), 2),
      '–',
      '–',
      '–',
    ],
    [
      'relay, Redis to PostHog',
      spread(of(relay, 'cpuUs')),
      spread(ratios(of(relay, 'cpuUs'), cpu), 2),
      spread(of(relay, 'perSecond'), 0),
      spread(of(relay, 'redisUs'), 2),
      '–',
    ],
  ]);
}

/**
 * Putting and taking ready-made events. The first row includes what the package does for the events until the queue has them, which an
 * application with BullMQ has to do itself: a bounded queue, order by person, retries, counts. The second row is without it.
 */
function printBull({ direct, pod, discarding, relay, ...jobs }) {
  const put = of(pod, 'cpuUs');
  const writing = pod.map(({ cpuUs }, turn) => Math.max(0, cpuUs - discarding[turn].cpuUs));
  const taking = relay.map(({ cpuUs }, turn) => Math.max(0, cpuUs - direct[turn].cpuUs));
  const redisUs = relay.map((turn, index) => turn.redisUs + pod[index].redisUs);
  // Of medians, because a difference may be close to zero in a single turn.
  const times = (others, ours) => number(median(others) / median(ours));
  const bull = (label, perJob) => {
    const added = of(of(jobs[perJob], 'add'), 'cpuUs');
    const taken = of(of(jobs[perJob], 'work'), 'cpuUs');
    const server = jobs[perJob].map(({ add, work }) => add.redisUs + work.redisUs);
    return [
      label,
      spread(added),
      times(added, put),
      times(added, writing),
      spread(taken),
      times(taken, taking),
      spread(server, 2),
      times(server, redisUs),
      spread(of(jobs[perJob], 'bytes'), 0),
    ];
  };
  const none = '–';
  printTable('fleet: the queue beside BullMQ, per event', [
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
    bull('BullMQ, a job per event; a worker that does nothing', 1),
    bull('BullMQ, a job per hundred; a worker that does nothing', 100),
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
  await redis.clear();
  const count = Math.ceil(LATENCY_EVENTS * scale);
  await pod.call('make', { count });
  for (const { latencyMs, relays } of [
    { latencyMs: 200, relays: 1 },
    { latencyMs: 50, relays: 1 },
    { latencyMs: 50, relays: 2 },
  ]) {
    progress(`fleet: ${relays} relays at ${latencyMs} ms`);
    await redis.clear();
    await pod.call('run', { count });
    await sink.reset({ latencyMs, count });
    results[`${relays} at ${latencyMs}`] = await drainedBy(sink, start, relays, count);
  }
  progress('');
  return results;
}

/** Events per second from start to the last response. */
async function drainedBy(sink, start, relays, count) {
  const children = [];
  while (children.length < relays) children.push(await start({ name: 'relay' }));
  const startedAt = performance.now();
  // How many each gets is not known: they end when the sink has all.
  for (const child of children) child.call('run', { count: Infinity }).catch(() => undefined);
  let ms = 0;
  for (let arrived = 0; arrived < count; ms = performance.now() - startedAt) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    arrived = (await sink.report()).events;
  }
  for (const child of children) await child.stop();
  return (count * 1000) / ms;
}

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
    ['one relay at 50 ms, events/s', number(results['1 at 50'], 0)],
    ['two relays at 50 ms, × one', number(results['2 at 50'] / results['1 at 50'], 2)],
  ]);
}
