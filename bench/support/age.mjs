/**
 * Runs full garbage collections while the process is idle, as happens in every process that has run for a while. Call it before the
 * measured code runs for the first time. Otherwise the first full collection happens at a random time, with lasting effects:
 *
 * - After it, `process.nextTick()` is slower, because V8 has discarded the shape of its objects, unless something keeps the shape alive, as
 *   this package does. An application without a full collection appears 3 to 6 µs per request faster.
 * - If it happens during the first two hundred events, most of their objects are still alive, and V8 concludes that such objects live
 *   long. It then allocates them in the old generation ("pretenuring"), which costs 2 to 4 µs per event.
 *
 * BENCH_YOUNG=1 skips the collections.
 */
export async function age() {
  if (process.env.BENCH_YOUNG === '1') return;
  for (let times = 0; times < 3; times += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
  }
}
