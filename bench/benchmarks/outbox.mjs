// The transactional outbox in PostgreSQL: see docs/outbox.md.
import { differences, median, number, ratios, spread } from '../support/numbers.mjs';
import { withPostgres } from '../support/postgres.mjs';
import { startProcess } from '../support/processes.mjs';
import { printTable, progress } from '../support/table.mjs';

const TRANSACTIONS = 400;
const RELAYED = 40_000;

export const outbox = (sink, { quick }) => withPostgres((connection) => measure(sink, connection, quick));

async function measure(sink, connection, quick) {
  const { default: pg } = await import('pg');
  const { OUTBOX_SQL } = await import('../../dist/esm/outbox/index.js');
  const admin = new pg.Client(connection);
  await admin.connect();
  for (const text of [...OUTBOX_SQL.postgres.up, 'CREATE TABLE orders (id bigint PRIMARY KEY)'])
    await admin.query(text);
  await admin.end();
  const turns = quick ? 1 : 7;
  const warmUp = quick ? 0 : 3;
  const count = quick ? 20 : TRANSACTIONS;
  const relayed = quick ? 2000 : RELAYED;
  const child = startProcess('outbox');
  const samples = { none: [], hand1: [], ours1: [], hand5: [], ours5: [], relay: [] };
  const cases = {
    none: ['byHand', 0],
    hand1: ['byHand', 1],
    ours1: ['withOutbox', 1],
    hand5: ['byHand', 5],
    ours5: ['withOutbox', 5],
  };
  try {
    await child.call('open', { url: sink.url, connection });
    for (let turn = 1; turn <= turns + warmUp; turn += 1) {
      progress(`outbox: turn ${turn} of ${turns + warmUp}`);
      await child.call('clear');
      const measured = {};
      for (const [name, [way, events]] of Object.entries(cases))
        measured[name] = await child.call('transactions', { way, count, events });
      await child.call('clear');
      await child.call('fill', { count: relayed });
      await sink.reset({ count: relayed });
      measured.relay = await child.call('relay', { count: relayed });
      await sink.verified('relay');
      if (turn > warmUp) for (const [name, value] of Object.entries(measured)) samples[name].push(value);
    }
  } finally {
    progress('');
    await child.stop();
  }
  print(samples);
  if (quick) console.log('\n--quick has too few events and turns for meaningful results.');
}

function print({ none, hand1, ours1, hand5, ours5, relay }) {
  const row = (label, us, hand) => [
    label,
    spread(us, 0),
    us === none ? '–' : spread(differences(us, none), 0),
    hand ? spread(ratios(us, hand), 2) : '–',
  ];
  printTable('outbox: CPU of Node.js per transaction, which writes one row of its own', [
    ['transaction', 'CPU µs', 'above none, µs', '× by hand'],
    row('no event', none),
    row('1 event, by hand', hand1),
    row('1 event, outbox.run', ours1, hand1),
    row('5 events, by hand', hand5),
    row('5 events, outbox.run', ours5, hand5),
  ]);
  printTable('outbox: other figures', [
    ['figure', 'result'],
    ['5 events, × 1 event, outbox.run', number(median(ratios(ours5, ours1)), 2)],
    ['relay, CPU µs per event, sending to PostHog included', spread(relay.map(({ cpuUs }) => cpuUs))],
    [
      'relay, events/s',
      spread(
        relay.map(({ perSecond }) => perSecond),
        0,
      ),
    ],
  ]);
}
