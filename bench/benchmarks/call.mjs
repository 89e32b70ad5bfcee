// How long a caller waits: inside `capture()`, and inside the interceptor of a handler.
import { number, ratio, spread } from '../support/numbers.mjs';
import { withFolder, withProcess } from '../support/processes.mjs';
import { printTable, progress } from '../support/table.mjs';

const CAPTURES = [
  { label: 'floor: JSON.stringify', name: 'floor' },
  { label: 'nestjs-posthog-capture', name: 'ours' },
  { label: 'nestjs-posthog-capture, in a context', name: 'ours', inContext: true },
  { label: 'nestjs-posthog-capture, lmdb store', name: 'ours', store: true },
  { label: 'nestjs-posthog-capture, durability: capture', name: 'ours', store: true, durability: 'capture' },
  { label: 'posthog-node', name: 'posthog-node' },
  { label: '@segment/analytics-node', name: 'segment' },
];
const INTERCEPTORS = ['none', 'ours, untracked', 'ours, tracked', 'posthog-node, untracked', 'posthog-node, tracked'];

export async function call(sink, { quick }) {
  const rounds = quick ? 1 : 5;
  const bursts = quick ? 5 : 200;
  await sink.call('reset');
  const captures = await inRounds(rounds, CAPTURES, ({ store, ...variant }) =>
    withFolder((storePath) => {
      const options = { bursts, batch: 100, url: sink.url, mode: 'v0', ...(store && { storePath }), ...variant };
      return withProcess('call', {}, (child) => child.call('capture', options));
    }),
  );
  const rows = [...captures].map(([{ label }, times]) => row(label, times, captures.get(CAPTURES[0])));
  printTable(`call: time inside capture() alone (bursts of 100, ${rounds} rounds)`, [
    ['client', 'µs/call, median', 'mean', '× floor'],
    ...rows,
  ]);
  await sink.call('reset');
  const interceptors = await inRounds(rounds, INTERCEPTORS, (variant) =>
    withProcess('call', {}, (child) => child.call('interceptor', { bursts, variant, url: sink.url })),
  );
  printTable(`call: time of a handler with its interceptor, from call to response (bursts of 100, ${rounds} rounds)`, [
    ['interceptor', 'µs/call, median', 'mean', '× none'],
    ...[...interceptors].map(([label, times]) => row(label, times, interceptors.get('none'))),
  ]);
}

function row(label, times, base) {
  const medians = times.map(({ medianUs }) => medianUs);
  const means = times.map(({ meanUs }) => meanUs);
  return [
    label,
    spread(medians, 2),
    spread(means, 2),
    number(
      ratio(
        medians,
        base.map(({ medianUs }) => medianUs),
      ),
      2,
    ),
  ];
}

async function inRounds(rounds, variants, run) {
  const results = new Map(variants.map((variant) => [variant, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const variant of variants) {
      progress(`call: round ${round} of ${rounds}, ${variant.label ?? variant}`);
      results.get(variant).push(await run(variant));
    }
  }
  progress('');
  return results;
}
