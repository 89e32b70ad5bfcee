import { expect, it } from '@jest/globals';
import {
  type CrashDelivery,
  decodeCrash,
  decodeDelivered,
  encodeCrash,
  encodeDelivered,
} from '../../../lib/crash/crash-message.js';
import { idsOf, manyEvents } from '../../support/stored-events.js';

const SETTINGS: CrashDelivery['settings'] = {
  host: 'http://127.0.0.1:9',
  apiKey: 'phc_key',
  compression: 'gzip',
  historicalMigration: false,
  maxBatchEvents: 100,
  maxBatchBytes: 1000,
  concurrency: 2,
  http: { proxy: { host: 'proxy', port: 1 } },
};

it('carries the events of each instance', () => {
  const payloads = ['{"text":"é漢😀"}', '{\n"lines": "of a custom store"\n}', '{"lone":"\ud800"}', ''];
  const [first, second] = manyEvents(2);
  const events = payloads.map((payload, n) => ({
    ...first!,
    id: `id ${n}\n`,
    payload,
    bytes: Buffer.byteLength(payload),
  }));
  const deliveries: CrashDelivery[] = [
    { settings: SETTINGS, events, first: 'id 1\n' },
    { settings: { ...SETTINGS, apiKey: 'phc_other', http: undefined }, events: [second!], first: null },
  ];
  // JSON has no lone surrogates, and no undefined.
  const expected = JSON.parse(
    JSON.stringify(deliveries).replaceAll('\\\\ud800', '\ufffd').replaceAll('\\ud800', '\ufffd'),
  ) as unknown;
  expect(JSON.parse(JSON.stringify(decodeCrash(encodeCrash(deliveries))))).toEqual(expected);
});

it('reports the delivered events, also if the last line is incomplete', () => {
  const deliveries = [manyEvents(3), manyEvents(2, 3)].map((events) => ({ settings: SETTINGS, events, first: null }));
  const output = encodeDelivered(0, [2, 0]) + encodeDelivered(1, [1]) + encodeDelivered(0, [1]).slice(0, -3);
  expect(decodeDelivered(output, deliveries).map((events) => idsOf([...events]))).toEqual([['id_2', 'id_0'], ['id_4']]);
});
