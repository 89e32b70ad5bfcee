/** The time of a uuid of version 7 has 48 bits. */
const MAX_TIME = 2 ** 48 - 1;

/**
 * `Date.now()` as whole milliseconds. Tests and polyfills replace it with clocks that return fractions, negative numbers or NaN, of which
 * neither a uuid nor a timestamp can be made.
 */
export function wallClock(): number {
  const now = Math.floor(Date.now());
  return now >= 0 && now <= MAX_TIME ? now : Math.floor(performance.timeOrigin + performance.now());
}
