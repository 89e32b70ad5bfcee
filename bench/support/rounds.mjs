import { startProcess } from './processes.mjs';
import { progress } from './table.mjs';

/**
 * Measures variants side by side. In each round every variant has its own process, and the processes take turns of a few tenths of a
 * second, A B C, B C A, C A B: other load on the machine affects all of them, and none always follows the same one.
 *
 * @param start starts the process of a variant
 * @param measure measures one turn
 * @returns the measurements of all turns, by the label of the variant
 */
export async function inTurns(title, variants, { rounds, turns, start, measure }) {
  const samples = new Map(variants.map(({ label }) => [label, []]));
  for (let round = 1; round <= rounds; round += 1) {
    const started = [];
    try {
      for (const variant of variants) {
        progress(`${title}: round ${round} of ${rounds}, ${variant.label}`);
        const child = startProcess(variant.process, { env: variant.env });
        started.push({ variant, child });
        await start(child, variant);
      }
      for (let turn = 1; turn <= turns; turn += 1) {
        progress(`${title}: round ${round} of ${rounds}, turn ${turn} of ${turns}`);
        const first = turn % started.length;
        for (const { variant, child } of [...started.slice(first), ...started.slice(0, first)])
          samples.get(variant.label).push(await measure(child, variant));
      }
    } finally {
      for (const { child } of started) await child.stop();
    }
  }
  progress('');
  return samples;
}
