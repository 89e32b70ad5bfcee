// What loading and booting the module adds to the start of an application.
import { differences, median, MIB, number, spread } from '../support/numbers.mjs';
import { withFolder, withProcess } from '../support/processes.mjs';
import { printTable, progress } from '../support/table.mjs';

const VARIANTS = {
  nest: 'Nest alone',
  peers: 'Nest with HttpModule, ConfigModule and class-validator',
  ours: 'nestjs-posthog-capture (loads these peers)',
  'ours, store': 'nestjs-posthog-capture, lmdb store',
  'posthog-node': 'posthog-node',
  segment: '@segment/analytics-node',
};

export async function start(sink, { quick }) {
  const rounds = quick ? 1 : 9;
  const results = new Map(Object.keys(VARIANTS).map((variant) => [variant, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const [variant, boots] of results) {
      progress(`start: round ${round} of ${rounds}, ${variant}`);
      boots.push(await boot(sink.url, variant));
    }
  }
  progress('');
  const of = (variant, field) => results.get(variant).map((round) => round[field]);
  const totals = new Map(
    [...results].map(([variant, boots]) => [variant, boots.map(({ loadMs, bootMs }) => loadMs + bootMs)]),
  );
  const rows = Object.entries(VARIANTS).map(([variant, label]) => [
    label,
    number(median(of(variant, 'loadMs')), 0),
    number(median(of(variant, 'bootMs')), 0),
    spread(totals.get(variant), 0),
    number(median(differences(totals.get(variant), totals.get('nest'))), 0),
    number(median(differences(totals.get(variant), totals.get('peers'))), 0),
    number(median(of(variant, 'cpuMs')), 0),
    number(median(of(variant, 'rssBytes')) / MIB, 0),
  ]);
  printTable(`start: an application context, from the first import to booted (${rounds} rounds)`, [
    ['application', 'load ms', 'boot ms', 'together', 'above Nest', 'above Nest and peers', 'CPU ms', 'RSS MiB'],
    ...rows,
  ]);
}

const boot = (url, variant) =>
  withFolder((storePath) => withProcess('start', {}, (child) => child.call('boot', { variant, url, storePath })));
