// Designs of the durable store: see docs/store-design.md.
import { readdirSync, readFileSync, renameSync, rmdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { DESIGNS } from '../stores/index.mjs';
import { differences, median, MIB, number, spread } from '../support/numbers.mjs';
import { startProcess } from '../support/processes.mjs';
import { inTurns } from '../support/rounds.mjs';
import { printTable, progress } from '../support/table.mjs';

const require = createRequire(import.meta.url);

/** Events per turn of the event loop, and events per measurement. */
const TICKS = [
  { perTick: 1, count: 2000 },
  { perTick: 10, count: 10_000 },
  { perTick: 128, count: 25_600 },
];
const TOGETHER = 4;
const COUNT_TOGETHER = 10_000;
const RECOVERED = 100_000;
const LEFTOVERS = 1000;
const EVENTS_PER_LEFTOVER = 10;
const LEAVING_PROCESSES = 4;
const KILLS = 5;

export async function stores(_sink, { quick }) {
  const designs = DESIGNS.filter(isAvailable).map((design) => ({ ...design, process: 'store' }));
  const rounds = quick ? 1 : 3;
  const scale = quick ? 0.02 : 1;
  printCosts(await measureCosts(designs, { rounds, turns: quick ? 1 : 5, scale }));
  const kept = designs.filter(({ module }) => module !== 'nothing');
  printTogether(await measureTogether(designs, { rounds, scale }), rounds);
  printRecovery(await measureRecovery(kept, { rounds, scale }), { rounds, scale });
  printKills(await measureKills(kept, { quick }), quick);
}

function isAvailable({ label, needs }) {
  try {
    if (needs) require(needs);
    return true;
  } catch {
    console.log(`Not measured, because ${needs} is not available: ${label}`);
    return false;
  }
}

const measureCosts = (designs, { rounds, turns, scale }) =>
  inTurns('stores', designs, {
    rounds,
    turns,
    async start(child, design) {
      await child.call('open', { design, path: child.folder });
      await measureTicks(child, scale);
    },
    measure: (child) => measureTicks(child, scale),
  });

async function measureTicks(child, scale) {
  const results = {};
  for (const { perTick, count } of TICKS)
    results[perTick] = await child.call('run', { perTick, count: Math.ceil((count * scale) / perTick) * perTick });
  return results;
}

function printCosts(samples) {
  const [[, base], ...others] = samples;
  const above = (turns, perTick, field) => {
    const of = (all) => all.map(({ [perTick]: result }) => result[field]);
    return differences(of(turns), of(base));
  };
  printTable('stores: append and remove, µs per event above a store that keeps nothing', [
    ['design', ...TICKS.flatMap(({ perTick }) => [`CPU, ${perTick} per turn`, 'wall'])],
    ...others.map(([label, turns]) => [
      label,
      ...TICKS.flatMap(({ perTick }) => [
        spread(above(turns, perTick, 'cpuUs'), 2),
        number(median(above(turns, perTick, 'wallUs')), 2),
      ]),
    ]),
  ]);
}

/** Calls a function for each design, in another order in each round. */
async function inRounds(designs, rounds, measure) {
  const samples = new Map(designs.map(({ label }) => [label, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < designs.length; turn += 1) {
      const design = designs[(round + turn) % designs.length];
      progress(`stores: round ${round + 1} of ${rounds}, ${design.label}`);
      samples.get(design.label).push(await measure(design));
    }
  }
  progress('');
  return samples;
}

async function withProcesses(count, use) {
  const children = [];
  try {
    while (children.length < count) children.push(startProcess('store'));
    return await use(children);
  } finally {
    for (const child of children) await child.stop();
  }
}

const measureTogether = (designs, { rounds, scale }) =>
  inRounds(designs, rounds, (design) =>
    withProcesses(TOGETHER, async (children) => {
      const [{ folder: path }] = children;
      const runs = (count) => Promise.all(children.map((child) => child.call('run', { count, perTick: 10 })));
      for (const child of children) await child.call('open', { design, path });
      const count = Math.ceil(COUNT_TOGETHER * scale);
      await runs(count * 2);
      const startedAt = performance.now();
      const results = await runs(count);
      const seconds = (performance.now() - startedAt) / 1000;
      return {
        cpuUs: results.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / TOGETHER,
        perSecond: (TOGETHER * count) / seconds,
        slowTurnMs: Math.max(...results.map(({ slowTurnMs }) => slowTurnMs)),
      };
    }),
  );

function printTogether(samples, rounds) {
  const of = (turns, field) => turns.map((turn) => turn[field]);
  const [[, base]] = samples;
  printTable(`stores: ${TOGETHER} processes at once, 10 events per turn (${rounds} rounds)`, [
    ['design', 'CPU µs/event above nothing', 'events/s', '99% of turns, ms'],
    ...[...samples].map(([label, turns]) => [
      label,
      spread(differences(of(turns, 'cpuUs'), of(base, 'cpuUs')), 1),
      spread(of(turns, 'perSecond'), 0),
      spread(of(turns, 'slowTurnMs'), 1),
    ]),
  ]);
}

const measureRecovery = (designs, { rounds, scale }) =>
  inRounds(designs, rounds, async (design) => {
    const count = RECOVERED * scale;
    const large = await afterCrash(design, (child, path) =>
      child.call('open', { design, path }).then(() => child.call('fill', { count, perTick: 100 })),
    );
    const many = await afterCrash(design, (child, path) => leaveMany(design, path, LEFTOVERS * scale));
    if (large.events !== count) throw new Error(`${design.label}: recovered ${large.events} of ${count} events`);
    const left = LEFTOVERS * scale * EVENTS_PER_LEFTOVER;
    if (many.events !== left) throw new Error(`${design.label}: recovered ${many.events} of ${left} events`);
    return { large, many };
  });

/** Fills a store in processes that are killed, and recovers its events in another one. */
const afterCrash = (design, fill) =>
  withProcesses(2, async ([writer, reader]) => {
    const { folder: path } = reader;
    await fill(writer, path);
    await writer.stop();
    const diskBytes = bytesOn(path);
    return { ...(await reader.call('open', { design, path })), diskBytes };
  });

/** Files of a process of its own are written to separate directories, or opening each would look at all others. */
async function leaveMany(design, path, count) {
  const paths = Array.from({ length: count }, (_, index) => (design.shared ? path : join(path, `store-${index}`)));
  await withProcesses(LEAVING_PROCESSES, (children) =>
    Promise.all(
      children.map((child, turn) =>
        child.call('leave', {
          design,
          paths: paths.filter((_, index) => index % LEAVING_PROCESSES === turn),
          count: EVENTS_PER_LEFTOVER,
        }),
      ),
    ),
  );
  if (design.shared) return;
  for (const folder of paths) {
    for (const name of readdirSync(folder)) renameSync(join(folder, name), join(path, name));
    rmdirSync(folder);
  }
}

/** Kills processes while they write. */
async function measureKills(designs, { quick }) {
  const samples = new Map(designs.map(({ label }) => [label, { acknowledged: 0, missing: 0, twice: 0, warnings: 0 }]));
  await inRounds(designs, quick ? 1 : KILLS, async (design) => {
    const { acknowledged, ids, warnings } = await killedWhileWriting(design);
    const found = new Set(ids.map((id) => Number(id.slice(-12))));
    const total = samples.get(design.label);
    total.acknowledged += acknowledged;
    total.twice += ids.length - found.size;
    total.warnings += warnings;
    for (let n = 1; n <= acknowledged; n += 1) if (!found.has(n)) total.missing += 1;
  });
  return samples;
}

const killedWhileWriting = (design) =>
  withProcesses(2, async ([writer, reader]) => {
    const { folder: path } = reader;
    const countFile = join(writer.folder, 'count');
    await writer.call('open', { design, path });
    const ended = writer.call('writeUntilKilled', { perTick: 10, countFile }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 300));
    process.kill(writer.pid, 'SIGKILL');
    await ended;
    const acknowledged = Number(readFileSync(countFile, 'utf8'));
    const { warnings } = await reader.call('open', { design, path });
    return { acknowledged, ids: await reader.call('ids'), warnings };
  });

function printKills(samples, quick) {
  printTable(`stores: killed while writing (${quick ? 1 : KILLS} times)`, [
    ['design', 'events acknowledged', 'missing', 'recovered twice', 'warnings'],
    ...[...samples].map(([label, { acknowledged, missing, twice, warnings }]) => [
      label,
      number(acknowledged, 0),
      missing,
      twice,
      warnings,
    ]),
  ]);
}

/** Allocated blocks, because files may be sparse. */
const bytesOn = (path) =>
  readdirSync(path).reduce((sum, name) => {
    const { blocks, size } = statSync(join(path, name));
    return sum + (blocks === undefined ? size : blocks * 512);
  }, 0);

function printRecovery(samples, { rounds, scale }) {
  const of = (turns, kind, field) => median(turns.map((one) => one[kind][field]));
  printTable(`stores: recovery after SIGKILL (${rounds} rounds)`, [
    [
      'design',
      `${number(RECOVERED * scale, 0)} events: ms`,
      'CPU ms',
      'MiB on disk',
      'RSS MiB',
      `${number(LEFTOVERS * scale, 0)} leftovers of ${EVENTS_PER_LEFTOVER}: ms`,
      'CPU ms',
      'MiB on disk',
      'descriptors each',
    ],
    ...[...samples].map(([label, turns]) => [
      label,
      number(of(turns, 'large', 'ms'), 0),
      number(of(turns, 'large', 'cpuMs'), 0),
      number(of(turns, 'large', 'diskBytes') / MIB, 1),
      number(of(turns, 'large', 'rssBytes') / MIB, 0),
      number(of(turns, 'many', 'ms'), 0),
      number(of(turns, 'many', 'cpuMs'), 0),
      number(of(turns, 'many', 'diskBytes') / MIB, 1),
      number(of(turns, 'many', 'descriptors') / (LEFTOVERS * scale), 2),
    ]),
  ]);
}
