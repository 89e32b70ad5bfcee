// CPU cost and compression ratio of the gzip levels.
import { gzipSync } from 'node:zlib';
import { eventWriter } from '../clients/floor.mjs';
import { median, number } from '../support/numbers.mjs';
import { printTable } from '../support/table.mjs';

const LEVELS = [1, 2, 3, 4, 5, 6, 9];
const BATCHES = 20;

export async function compression(_sink, { quick }) {
  const textOf = eventWriter('v0');
  const rounds = quick ? 1 : 21;
  for (const count of [100, 500]) {
    const batches = Array.from({ length: BATCHES }, (_, batch) => {
      const texts = Array.from({ length: count }, (_one, index) => textOf(batch * count + index));
      return Buffer.from(`{"api_key":"phc_bench","batch":[${texts.join(',')}]}`);
    });
    const turns = new Map(LEVELS.map((level) => [level, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (let turn = 0; turn < LEVELS.length; turn += 1) {
        const level = LEVELS[(round + turn) % LEVELS.length];
        turns.get(level).push(measure(batches, level, count));
      }
    }
    const rows = [...turns].map(([level, samples]) => [
      `level ${level}`,
      number(median(samples.map(({ cpuUs }) => cpuUs)), 2),
      number(samples[0].bytes, 1),
    ]);
    const raw = batches[0].length / count;
    printTable(`compression: batches of ${count}, ${number(raw, 0)} bytes of JSON per event`, [
      ['gzip', 'CPU µs/event', 'bytes/event'],
      ...rows,
    ]);
  }
}

function measure(batches, level, count) {
  const events = batches.length * count;
  const cpu = process.cpuUsage();
  const bytes = batches.reduce((sum, batch) => sum + gzipSync(batch, { level }).length, 0);
  const { user, system } = process.cpuUsage(cpu);
  return { cpuUs: (user + system) / events, bytes: bytes / events };
}
