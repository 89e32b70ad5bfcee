// Medians of turns, and ratios of turns that were measured side by side.

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

/** What one variant took, of what another took in the same turn. */
export const ratios = (values, others) => values.map((value, turn) => value / others[turn]);

export const ratio = (values, others) => median(ratios(values, others));

/**
 * What one variant adds to a third, of what another adds to it. Of medians, because a difference may be near nothing in a turn, and its
 * ratio anything.
 */
export const ratioAbove = (values, others, base) =>
  median(differences(values, base)) / median(differences(others, base));

export const differences = (values, others) => values.map((value, turn) => value - others[turn]);

export const number = (value, digits = 1) =>
  Number.isFinite(value)
    ? value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    : '–';

/** The median of the turns, the least and the most. */
export function spread(values, digits = 1) {
  if (values.length === 1) return number(values[0], digits);
  return `${number(median(values), digits)} (${number(Math.min(...values), digits)}–${number(Math.max(...values), digits)})`;
}

export const MIB = 1024 * 1024;
