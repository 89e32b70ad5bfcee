// What one tracked event per request costs a Nest application: CPU, latency and throughput of its HTTP server.
import { differences, median, number, ratioAbove, spread } from '../support/numbers.mjs';
import { withProcess } from '../support/processes.mjs';
import { printTable, progress } from '../support/table.mjs';

const VARIANTS = ['bare', 'tracked', 'captured', 'untracked', 'untracked, context off', 'posthog-node'];
const CAPTURES = new Set(['tracked', 'captured', 'posthog-node']);

const LABELS = {
  bare: 'no analytics',
  tracked: 'nestjs-posthog-capture: @TrackEvent',
  captured: 'nestjs-posthog-capture: capture() in the handler',
  untracked: 'nestjs-posthog-capture: a route without events',
  'untracked, context off': 'nestjs-posthog-capture: the same with context: false',
  'posthog-node': 'posthog-node: interceptor and capture()',
};

/** One application, from its boot to its end. Throws unless each request's event arrived exactly once. */
async function measure(sink, { framework, variant, warmUp, count }) {
  return withProcess('request-app', {}, (app) =>
    withProcess('request-load', {}, async (load) => {
      await sink.call('reset');
      const port = await app.call('open', { framework, variant, url: sink.url });
      await app.call('begin');
      await load.call('run', { port, first: 0, count: warmUp });
      await app.call('end');
      const expected = CAPTURES.has(variant) ? count : 0;
      await sink.call('reset', { first: warmUp, count: expected });
      await app.call('begin');
      const measured = await load.call('run', { port, first: warmUp, count });
      const cpuUs = (await app.call('end')) / count;
      const { missing, repeated, strange } = await sink.call('report');
      if (missing + repeated + strange > 0) {
        throw new Error(
          `${variant}: of ${expected} events ${missing} never came, ${repeated} came again, ${strange} were none of them`,
        );
      }
      return { ...measured, cpuUs };
    }),
  );
}

/** Gives what each round measured, by variant. */
export async function measureRounds(sink, { framework, rounds, variants = VARIANTS, ...load }) {
  const results = new Map(variants.map((variant) => [variant, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const variant of variants) {
      progress(`request, ${framework}: round ${round} of ${rounds}, ${variant}`);
      results.get(variant).push(await measure(sink, { framework, variant, ...load }));
    }
  }
  progress('');
  return results;
}

export async function request(sink, { quick }) {
  const load = quick ? { rounds: 1, warmUp: 200, count: 1000 } : { rounds: 5, warmUp: 20_000, count: 20_000 };
  for (const framework of ['fastify', 'express']) {
    const variants = quick && framework === 'express' ? ['bare', 'tracked', 'posthog-node'] : VARIANTS;
    const results = await measureRounds(sink, { framework, variants, ...load });
    print(`request: Nest on ${framework}, 8 connections (${load.count} requests, ${load.rounds} rounds)`, results);
  }
}

function print(title, results) {
  const of = (variant, field) => results.get(variant).map((round) => round[field]);
  const bare = of('bare', 'cpuUs');
  const rows = [...results.keys()].map((variant) => {
    const cpu = of(variant, 'cpuUs');
    return [
      LABELS[variant],
      spread(cpu),
      variant === 'bare' ? '–' : spread(differences(cpu, bare)),
      variant === 'bare' ? '–' : number(ratioAbove(cpu, of('posthog-node', 'cpuUs'), bare), 2),
      number(median(of(variant, 'p50Us')), 0),
      number(median(of(variant, 'p99Us')), 0),
      spread(of(variant, 'perSecond'), 0),
    ];
  });
  printTable(title, [
    ['application', 'CPU µs/request', 'added µs', '× posthog-node’s', 'p50 µs', 'p99 µs', 'requests/s'],
    ...rows,
  ]);
}
