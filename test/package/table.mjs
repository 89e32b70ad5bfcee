// The table of docs/compatibility.md: the combinations that scripts/test-package.mjs --all runs.
import { KINDS } from './kinds.mjs';
import { RUNNERS } from './runners.mjs';

/** The table in Markdown. scripts/check-package.mjs compares it with the page. */
export function runsOn() {
  const applications = KINDS.filter(
    ({ sources, programs }) => sources === 'application' && !programs.includes('store'),
  );
  const stores = KINDS.filter(({ programs }) => programs.includes('store'));
  const bothBuilds = KINDS.filter(({ sources }) => sources === 'both-builds');
  const types = KINDS.filter(({ sources }) => sources === 'types');
  const placeOf = ({ nest, modules }) =>
    `${nest === 'oldest' ? 'the oldest peers allowed' : `Nest ${nest}`}, ${modules}`;
  const rows = [
    ...grouped(applications, placeOf).map(([place, its]) => [place, its.map(compiledAs), its[0].nodes]),
    ['with a store', stores.map(placeOf), stores[0].nodes],
    ['both builds in one process', bothBuilds.map(({ nest }) => `Nest ${nest}`), bothBuilds[0].nodes],
    ['types of all sub-paths, all packages checked', distinct(types.map(({ compiler }) => compiler)), []],
    ...grouped(RUNNERS, ({ name }) => `tests with ${/^\w+ \d+/.exec(name)[0]}`).map(([runner, its]) => [
      runner,
      its.map((kind) => placeOf(kind) + exceptOf(kind.nodes, its)),
      nodesOf(its),
    ]),
  ];
  const cells = [
    ['application', 'as', 'Node.js'],
    ...rows.map(([what, as, nodes]) => [what, as.join('; '), nodes.join(', ')]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(cells[0]), line(widths.map((width) => '-'.repeat(width))), ...cells.slice(1).map(line)].join('\n');
}

const compiledAs = ({ http, compiler }) => `${http}, ${compiler}`;

const nodesOf = (kinds) => distinct(kinds.flatMap(({ nodes }) => nodes)).sort();

/** The tested versions, if they are not all versions of the row. */
const exceptOf = (nodes, row) => (nodes.length < nodesOf(row).length ? ` (${nodes.join(', ')})` : '');

const distinct = (values) => [...new Set(values)];

function grouped(kinds, keyOf) {
  return distinct(kinds.map(keyOf)).map((key) => [key, kinds.filter((kind) => keyOf(kind) === key)]);
}
