// Cost of one tracked event per request in a Nest application: CPU, latency and throughput of its HTTP server.
import { differences, median, number, ratioAbove, spread } from '../support/numbers.mjs';
import { withProcess } from '../support/processes.mjs';
import { inTurns } from '../support/rounds.mjs';
import { printTable } from '../support/table.mjs';

const app = (variant, label, captures) => ({ label, variant, captures, process: 'request-app' });

const BARE = app('bare', 'no analytics', false);
const OWN_CONTEXT = app('own context', 'no analytics, its own AsyncLocalStorage', false);
const TRACKED = app('tracked', 'nestjs-posthog-capture: @TrackEvent', true);
const CAPTURED = app('captured', 'nestjs-posthog-capture: capture() in the handler', true);
const UNTRACKED = app('untracked', 'nestjs-posthog-capture: a route without events', false);
const NO_CONTEXT = app('untracked, context off', 'nestjs-posthog-capture: the same with context: false', false);
const POSTHOG = app('posthog-node', 'posthog-node: interceptor and capture()', true);
const POSTHOG_100 = app('posthog-node, batches of 100', 'posthog-node: the same with batches of 100', true);

export const APPLICATIONS = { BARE, OWN_CONTEXT, TRACKED, CAPTURED, UNTRACKED, NO_CONTEXT, POSTHOG, POSTHOG_100 };
const EVENTS = [BARE, TRACKED, CAPTURED, POSTHOG, POSTHOG_100];
const NO_EVENTS = [BARE, OWN_CONTEXT, UNTRACKED, NO_CONTEXT];

/** The same in a process without a full garbage collection. */
export const young = (application) => ({
  ...application,
  label: `${application.label}, young`,
  env: { BENCH_YOUNG: '1' },
});

/**
 * Measures applications in turns of `count` requests. Throws unless each request's event arrived exactly once.
 *
 * @param awake keeps the clients busy. Only without events, because the clients would use the core that compression needs
 */
export function measureRequests(sink, framework, applications, { warmUp, count, rounds, turns, awake }) {
  return withProcess('request-load', {}, (load) => {
    const ports = new Map();
    return inTurns(`request, ${framework}`, applications, {
      rounds,
      turns,
      async start(child, { variant }) {
        await sink.reset();
        const port = await child.call('open', { framework, variant, url: sink.url });
        ports.set(child, port);
        await child.call('begin');
        await load.call('run', { port, count: warmUp, awake });
        await child.call('end');
      },
      async measure(child, { label, captures }) {
        await sink.reset({ count: captures ? count : 0 });
        await child.call('begin');
        const measured = await load.call('run', { port: ports.get(child), count, awake });
        const cpuUs = (await child.call('end')) / count;
        await sink.verified(label);
        return { ...measured, cpuUs };
      },
    });
  });
}

export const QUICK = { warmUp: 100, count: 300, rounds: 1, turns: 1 };

const STATES = [
  ['no events', (application) => application],
  ['no events, young processes', young],
];

export async function request(sink, { quick }) {
  const events = quick ? QUICK : { warmUp: 20_000, count: 4000, rounds: 3, turns: 10 };
  const noEvents = { ...(quick ? QUICK : { ...events, rounds: 4 }), awake: true };
  for (const framework of ['fastify', 'express']) {
    const applications = quick && framework === 'express' ? [BARE, TRACKED, POSTHOG] : EVENTS;
    print(titleOf(framework, 'an event each', events), await measureRequests(sink, framework, applications, events));
    for (const [state, pick] of quick && framework === 'express' ? [] : STATES) {
      const samples = await measureRequests(sink, framework, NO_EVENTS.map(pick), noEvents);
      print(titleOf(framework, `${state}, clients that never sleep`, noEvents), samples);
    }
  }
}

const titleOf = (framework, what, { rounds, turns, count }) =>
  `request: Nest on ${framework}, 8 connections, ${what} (${rounds} × ${turns} turns of ${count} requests)`;

function print(title, samples) {
  const of = (label, field) => samples.get(label).map((turn) => turn[field]);
  const [first] = samples.keys();
  const bare = of(first, 'cpuUs');
  const posthog = samples.has(POSTHOG.label) && of(POSTHOG.label, 'cpuUs');
  const rows = [...samples.keys()].map((label) => {
    const cpu = of(label, 'cpuUs');
    return [
      label,
      spread(cpu),
      label === first ? '–' : spread(differences(cpu, bare)),
      label === first || !posthog ? '–' : number(ratioAbove(cpu, posthog, bare), 2),
      number(median(of(label, 'p50Us')), 0),
      number(median(of(label, 'p99Us')), 0),
      spread(of(label, 'perSecond'), 0),
    ];
  });
  printTable(title, [
    ['application', 'CPU µs/request', 'added µs', '× posthog-node’s', 'p50 µs', 'p99 µs', 'requests/s'],
    ...rows,
  ]);
}
