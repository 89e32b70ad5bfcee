// What one tracked event per request costs a Nest application: CPU, latency and throughput of its HTTP server.
import { differences, median, number, ratioAbove, spread } from '../support/numbers.mjs';
import { withProcess } from '../support/processes.mjs';
import { inTurns } from '../support/rounds.mjs';
import { printTable } from '../support/table.mjs';

const app = (variant, label, captures) => ({ label, variant, captures, process: 'request-app' });

const BARE = app('bare', 'no analytics', false);
const OWN_CONTEXT = app('own context', 'no analytics, an AsyncLocalStorage of its own', false);
const TRACKED = app('tracked', 'nestjs-posthog-capture: @TrackEvent', true);
const CAPTURED = app('captured', 'nestjs-posthog-capture: capture() in the handler', true);
const UNTRACKED = app('untracked', 'nestjs-posthog-capture: a route without events', false);
const NO_CONTEXT = app('untracked, context off', 'nestjs-posthog-capture: the same with context: false', false);
const POSTHOG = app('posthog-node', 'posthog-node: interceptor and capture()', true);
const POSTHOG_100 = app('posthog-node, batches of 100', 'posthog-node: the same with batches of 100', true);

export const APPLICATIONS = { BARE, OWN_CONTEXT, TRACKED, CAPTURED, UNTRACKED, NO_CONTEXT, POSTHOG, POSTHOG_100 };

/** Measures applications in turns of `count` requests. Throws unless each request's event arrived exactly once. */
export function measureRequests(sink, framework, applications, { warmUp, count, rounds, turns }) {
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
        await load.call('run', { port, count: warmUp });
        await child.call('end');
      },
      async measure(child, { label, captures }) {
        await sink.reset({ count: captures ? count : 0 });
        await child.call('begin');
        const measured = await load.call('run', { port: ports.get(child), count });
        const cpuUs = (await child.call('end')) / count;
        await sink.verified(label);
        return { ...measured, cpuUs };
      },
    });
  });
}

export const QUICK = { warmUp: 100, count: 300, rounds: 1, turns: 1 };

export async function request(sink, { quick }) {
  const load = quick ? QUICK : { warmUp: 20_000, count: 4000, rounds: 3, turns: 10 };
  for (const framework of ['fastify', 'express']) {
    const applications = quick && framework === 'express' ? [BARE, TRACKED, POSTHOG] : Object.values(APPLICATIONS);
    const title = `request: Nest on ${framework}, 8 connections (${load.rounds} × ${load.turns} turns of ${load.count} requests)`;
    print(title, await measureRequests(sink, framework, applications, load));
  }
}

function print(title, samples) {
  const of = (label, field) => samples.get(label).map((turn) => turn[field]);
  const bare = of(BARE.label, 'cpuUs');
  const rows = [...samples.keys()].map((label) => {
    const cpu = of(label, 'cpuUs');
    const isBare = label === BARE.label;
    return [
      label,
      spread(cpu),
      isBare ? '–' : spread(differences(cpu, bare)),
      isBare ? '–' : number(ratioAbove(cpu, of(POSTHOG.label, 'cpuUs'), bare), 2),
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
