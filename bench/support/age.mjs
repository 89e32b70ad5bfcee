/**
 * Full collections while nothing waits, as every process has had that has run for a while; to be called before what is measured has
 * run for the first time. Without them V8 has one of its first at any time, and that counts for good:
 *
 * - From the first one on, `process.nextTick()` is slower, because V8 has forgotten the shape of what it makes, unless something keeps it,
 *   as this package does. An application that has not had one yet looks 3 to 6 µs per request faster than one that has.
 * - One that falls among the first two hundred events finds most of their objects marked, and V8 concludes that such objects live long: it
 *   makes them among the old ones from then on ("pretenuring"), which costs 2 to 4 µs per event.
 *
 * BENCH_YOUNG=1 leaves them out, for a process that has had none while it was idle.
 */
export async function age() {
  if (process.env.BENCH_YOUNG === '1') return;
  for (let times = 0; times < 3; times += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
  }
}
