// Medians of turns, and ratios of turns measured side by side.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The quantile for a share of the values. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** Ratio of two variants in the same turn. */
export const ratios = (values, others) => values.map((value, turn) => value / others[turn]);

export const ratio = (values, others) => median(ratios(values, others));

/**
 * Ratio of the costs that two variants add to a third. Uses medians, because the difference in a single turn may be close to zero.
 */
export const ratioAbove = (values, others, base) =>
  median(differences(values, base)) / median(differences(others, base));

export const differences = (values, others) => values.map((value, turn) => value - others[turn]);

export const number = (value, digits = 1) =>
  Number.isFinite(value)
    ? value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    : '–';

/** Median, minimum and maximum of the turns. */
export function spread(values, digits = 1) {
  if (values.length === 1) return number(values[0], digits);
  return `${number(median(values), digits)} (${number(Math.min(...values), digits)}–${number(Math.max(...values), digits)})`;
}

export const MIB = 1024 * 1024;
