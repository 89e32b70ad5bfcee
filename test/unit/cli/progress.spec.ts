import { expect, it } from '@jest/globals';
import { Progress } from '../../../lib/cli/import/progress.js';
import { ScriptedTerminal } from '../../support/scripted-terminal.js';

const BAR = '[#######.................] 30 %';
const COUNTS = { bytes: 300_000, lines: 1_000_000, rejected: 1200 };

it.each([
  [200, `${BAR}  1000000 lines  0/s  1200 rejected  time left unknown`],
  [86, `${BAR}  1000000 lines  0/s  1200 rejected  time left unknown`],
  // A line as wide as the terminal would wrap.
  [85, `${BAR}  1000000 lines  0/s  1200 rejected`],
  [66, `${BAR}  1000000 lines  0/s`],
  [40, BAR],
  [10, BAR],
])('omits parts that do not fit into %d columns', (columns, line) => {
  const terminal = new ScriptedTerminal({ interactive: true, columns });
  new Progress(terminal, 1_000_000, () => COUNTS).stop();
  expect(terminal.stderr).toBe(`\r${line}\u001B[K\n`);
});

it('omits parts that do not fit if the size of the input is unknown', () => {
  const terminal = new ScriptedTerminal({ interactive: true, columns: 20 });
  new Progress(terminal, null, () => COUNTS).stop();
  expect(terminal.stderr).toBe('\r1000000 lines  0/s\u001B[K\n');
});
