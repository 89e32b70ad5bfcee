// Medians of rounds, and ratios of rounds that were measured side by side.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value below which a share of the values lies. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** The median of what one variant took, divided by what the other took in the same round. */
export const ratio = (values, others) => median(values.map((value, round) => value / others[round]));

/** The same of differences to a third variant, the same for both. */
export const ratioAbove = (values, others, base) =>
  median(values.map((value, round) => (value - base[round]) / (others[round] - base[round])));

export const differences = (values, others) => values.map((value, round) => value - others[round]);

export const number = (value, digits = 1) =>
  Number.isFinite(value)
    ? value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    : '–';

/** The median of the rounds, and between what they lie. */
export function spread(values, digits = 1) {
  if (values.length === 1) return number(values[0], digits);
  return `${number(median(values), digits)} (${number(Math.min(...values), digits)}–${number(Math.max(...values), digits)})`;
}

export const MIB = 1024 * 1024;
