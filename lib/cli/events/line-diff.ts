/** Comparing more lines takes too long. */
const MAX_CELLS = 4_000_000;

/** The lines that differ, each with `-` (only in the first list) or `+` (only in the second) before it. Empty if none does. */
export function lineDiff(before: readonly string[], after: readonly string[]): string[] {
  let start = 0;
  while (start < Math.min(before.length, after.length) && before[start] === after[start]) start++;
  let end = 0;
  while (end < Math.min(before.length, after.length) - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  return changes(before.slice(start, before.length - end), after.slice(start, after.length - end));
}

function changes(before: readonly string[], after: readonly string[]): string[] {
  if (before.length * after.length > MAX_CELLS) {
    return [...before.map((line) => `- ${line}`), ...after.map((line) => `+ ${line}`)];
  }
  const lengths = commonLengths(before, after);
  const width = after.length + 1;
  const diff: string[] = [];
  let [row, column] = [0, 0];
  while (row < before.length || column < after.length) {
    const [left, right] = [before[row], after[column]];
    if (left === right) {
      row++;
      column++;
    } else if (
      right === undefined ||
      (left !== undefined && at(lengths, (row + 1) * width + column) >= at(lengths, row * width + column + 1))
    ) {
      diff.push(`- ${left ?? ''}`);
      row++;
    } else {
      diff.push(`+ ${right}`);
      column++;
    }
  }
  return diff;
}

/** Lengths of the longest common subsequences of all pairs of endings. */
function commonLengths(before: readonly string[], after: readonly string[]): Uint32Array {
  const width = after.length + 1;
  const lengths = new Uint32Array((before.length + 1) * width);
  for (let row = before.length - 1; row >= 0; row--) {
    for (let column = after.length - 1; column >= 0; column--) {
      lengths[row * width + column] =
        before[row] === after[column]
          ? at(lengths, (row + 1) * width + column + 1) + 1
          : Math.max(at(lengths, (row + 1) * width + column), at(lengths, row * width + column + 1));
    }
  }
  return lengths;
}

const at = (lengths: Uint32Array, index: number): number => lengths[index] ?? 0;
