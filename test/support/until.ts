/** How long anything may take on a busy machine. Less than `testTimeout`, so that the reason of a failure is printed. */
export const PATIENCE_MS = 60_000;

/** Polls until a condition holds that no event announces. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  // Not a clock that a test may replace.
  const end = process.hrtime.bigint() + BigInt(PATIENCE_MS) * 1_000_000n;
  while (!(await holds())) {
    if (process.hrtime.bigint() > end) throw new Error(`the condition was not met within ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
