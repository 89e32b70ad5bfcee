// Time that a caller waits in `capture()`, in `captureException()`, in the interceptor of a handler and for a feature flag, and the cost of Node's own
// ticks for comparison.
import { number, ratio, spread } from '../support/numbers.mjs';
import { inTurns } from '../support/rounds.mjs';
import { printTable } from '../support/table.mjs';

const client = (label, name, more) => ({ label, name, process: 'call', ...more });

const CLIENTS = [
  client('floor: JSON.stringify', 'floor'),
  client('nestjs-posthog-capture', 'ours'),
  client('nestjs-posthog-capture, in a context', 'ours', { inContext: true }),
  client('nestjs-posthog-capture, store', 'ours', { store: true }),
  client('nestjs-posthog-capture, durability: capture', 'ours', { store: true, durability: 'capture' }),
  client('posthog-node', 'posthog-node'),
  client('@segment/analytics-node', 'segment'),
];

const limited = (label, limits) => client(label, 'ours', { limits });

const EVENTS = [
  client('by its name', 'ours'),
  client('of a definition, checked by Zod', 'ours', { isDefined: true }),
  limited('by its name, limits for other names', { 'page_*': { sampleRate: 0.1 } }),
  limited('by its name, perMinute', { '*': { perMinute: 1_000_000_000 } }),
  limited('by its name, perPersonPerHour', { '*': { perPersonPerHour: 1_000_000_000 } }),
];

const interceptor = (label, variant = label) => ({ label, variant, process: 'call' });

const INTERCEPTORS = [
  interceptor('none'),
  interceptor('nestjs-posthog-capture, a handler without events', 'ours, untracked'),
  interceptor('nestjs-posthog-capture, @TrackEvent', 'ours, tracked'),
  interceptor('posthog-node, a handler without events', 'posthog-node, untracked'),
  interceptor('posthog-node, capture() in the handler', 'posthog-node, tracked'),
];

const errors = (label, limit) => ({ label, limit, process: 'call' });

const ERRORS = [errors('captured: no limit', false), errors('beyond the limit', { burst: 1, everyMs: 3_600_000 })];

const flags = (label, variant) => ({ label, variant, process: 'call' });

const FLAGS = [
  flags('posthog-node, evaluateFlags() of one key', 'posthog-node'),
  flags('nestjs-posthog-capture, first read of a call', 'ours, first read'),
  flags('nestjs-posthog-capture, read again in the call', 'ours, read again'),
];

const ticks = (label, variant) => ({ label, variant, process: 'call' });

const TICKS = [
  ticks('no analytics', 'none'),
  ticks('no analytics, its own AsyncLocalStorage', 'own context'),
  ticks('nestjs-posthog-capture', 'ours'),
  ticks('nestjs-posthog-capture, context: false', 'ours, context off'),
];

export async function call(sink, { quick }) {
  const { rounds, turns, bursts } = scaleOf(quick);
  const measure = (child) => child.call('time', { bursts });
  const warmUp = (child) => child.call('time', { bursts: quick ? 3 : 400 });
  const how = `${rounds} × ${turns} turns of ${bursts} bursts of 100`;

  const captures = await inTurns('call: capture()', CLIENTS, {
    rounds,
    turns,
    measure,
    async start(child, { name, store, durability, inContext }) {
      await sink.reset();
      const storePath = store && child.folder;
      const options = { name, inContext, durability, storePath, batch: 100, url: sink.url, mode: 'v0' };
      await child.call('openCapture', options);
      await warmUp(child);
    },
  });
  print(`call: time inside capture() alone (${how})`, ['client', '× floor'], captures);

  await events(sink, { quick });

  const interceptors = await inTurns('call: interceptor', INTERCEPTORS, {
    rounds,
    turns,
    measure,
    async start(child, { variant }) {
      await sink.reset();
      await child.call('openInterceptor', { variant, url: sink.url });
      await warmUp(child);
    },
  });
  print(
    `call: a handler with its interceptor, from call to response (${how})`,
    ['interceptor', '× none'],
    interceptors,
  );

  const exceptions = await inTurns('call: captureException()', ERRORS, {
    rounds,
    turns,
    measure,
    async start(child, { limit }) {
      await sink.reset();
      await child.call('openErrors', { limit, url: sink.url });
      await warmUp(child);
    },
  });
  print(`call: time inside captureException() alone (${how})`, ['error', '× captured'], exceptions);

  const reads = quick ? 100 : 5000;
  const flagReads = await inTurns('call: feature flags', FLAGS, {
    rounds,
    turns,
    measure: (child) => child.call('timeFlags', { count: reads }),
    async start(child, { variant }) {
      await sink.reset();
      await child.call('openFlags', { variant, url: sink.url });
      await child.call('timeFlags', { count: reads * 4 });
    },
  });
  const [theirs] = flagReads.values();
  printTable(`call: one feature flag of 50, evaluated in the process (${rounds} × ${turns} turns of ${reads} reads)`, [
    ['client', 'µs/read', '× posthog-node'],
    ...[...flagReads].map(([label, turns]) => [label, spread(turns, 1), number(ratio(turns, theirs), 2)]),
  ]);

  const count = quick ? 1000 : 100_000;
  const nextTick = await inTurns('call: process.nextTick()', TICKS, {
    rounds,
    turns,
    measure: (child) => child.call('timeTicks', { count }),
    async start(child, { variant }) {
      await child.call('openTicks', { variant, url: sink.url });
      await child.call('timeTicks', { count });
    },
  });
  const [base] = nextTick.values();
  printTable(`call: process.nextTick() after full collections (${rounds} × ${turns} turns of ${count} ticks)`, [
    ['application', 'ns/tick', '× none'],
    ...[...nextTick].map(([label, turns]) => [label, spread(turns, 0), number(ratio(turns, base), 2)]),
  ]);
}

/** What the check of a definition, and limits, add to an event. */
export async function events(sink, { quick }) {
  const { rounds, turns, bursts } = scaleOf(quick);
  const samples = await inTurns('call: defined events and limits', EVENTS, {
    rounds,
    turns,
    measure: (child) => child.call('time', { bursts }),
    async start(child, { name, isDefined, limits }) {
      await sink.reset();
      await child.call('openCapture', { name, isDefined, more: { limits }, batch: 100, url: sink.url, mode: 'v0' });
      await child.call('time', { bursts: quick ? 3 : 400 });
    },
  });
  print(`call: an event (${rounds} × ${turns} turns of ${bursts} bursts of 100)`, ['event', '× by its name'], samples);
}

const scaleOf = (quick) => (quick ? { rounds: 1, turns: 1, bursts: 3 } : { rounds: 3, turns: 8, bursts: 50 });

/** Compares all rows with the first. */
function print(title, [head, compared], samples) {
  const [base] = samples.values();
  const of = (turns, field) => turns.map((turn) => turn[field]);
  printTable(title, [
    [head, 'µs/call, median of bursts', 'mean', compared],
    ...[...samples].map(([label, turns]) => [
      label,
      spread(of(turns, 'medianUs'), 2),
      spread(of(turns, 'meanUs'), 2),
      number(ratio(of(turns, 'medianUs'), of(base, 'medianUs')), 2),
    ]),
  ]);
}
