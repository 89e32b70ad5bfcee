// Time that loading and booting the module adds to the start of an application.
import { differences, median, MIB, number, spread } from '../support/numbers.mjs';
import { inTurns } from '../support/rounds.mjs';
import { printTable } from '../support/table.mjs';

const application = (label, variant) => ({ label, variant, process: 'start' });

const NEST = application('Nest alone', 'nest');
const PEERS = application('Nest with HttpModule, ConfigModule and class-validator', 'peers');
const APPLICATIONS = [
  NEST,
  PEERS,
  application('nestjs-posthog-capture (loads these peers)', 'ours'),
  application('nestjs-posthog-capture, store', 'ours, store'),
  application('posthog-node', 'posthog-node'),
  application('@segment/analytics-node', 'segment'),
];

export async function start(sink, { quick }) {
  const rounds = quick ? 1 : 11;
  const samples = await inTurns('start', APPLICATIONS, {
    rounds,
    // One turn, because an application starts once.
    turns: 1,
    start: async () => undefined,
    measure: (child, { variant }) => child.call('boot', { variant, url: sink.url, storePath: child.folder }),
  });
  const of = (label, field) => samples.get(label).map((boot) => boot[field]);
  const rows = [...samples.keys()].map((label) => [
    label,
    number(median(of(label, 'loadMs')), 0),
    number(median(of(label, 'bootMs')), 0),
    spread(of(label, 'totalMs'), 0),
    number(median(differences(of(label, 'totalMs'), of(NEST.label, 'totalMs'))), 0),
    number(median(differences(of(label, 'totalMs'), of(PEERS.label, 'totalMs'))), 0),
    number(median(of(label, 'cpuMs')), 0),
    number(median(of(label, 'rssBytes')) / MIB, 0),
  ]);
  printTable(`start: an application context, from the first import to booted (${rounds} rounds)`, [
    ['application', 'load ms', 'boot ms', 'together', 'above Nest', 'above Nest and peers', 'CPU ms', 'RSS MiB'],
    ...rows,
  ]);
}
