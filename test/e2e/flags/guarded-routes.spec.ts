import { Controller, Get } from '@nestjs/common';
import { FeatureFlagsModule, Flag, RequireFlag } from 'nestjs-posthog-capture/flags';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, serve } from '../../support/serve.js';

@Controller()
class Routes {
  @Get('guarded')
  @RequireFlag('beta')
  guarded() {
    return {};
  }

  @Get('open')
  open(@Flag('color', { defaultValue: 'control' }) color: string) {
    return { color };
  }

  @Get('plain')
  plain() {
    return {};
  }
}

const median = (times: readonly number[]): number => [...times].sort((one, other) => one - other)[times.length >> 1]!;

afterEach(closeAll);

it('a person who is not known has no flags, and PostHog is not asked', async () => {
  const { url, posthog, lines } = await serve({ controllers: [Routes], imports: [FeatureFlagsModule.forRoot()] });
  posthog.flags.set({ beta: true, color: { variant: 'blue' } });
  expect((await fetch(`${url}/guarded`)).status).toBe(404);
  expect(await (await fetch(`${url}/open`)).json()).toEqual({ color: 'control' });
  expect(posthog.flags.requests).toEqual([]);
  expect(lines.filter((line) => line.includes('no person was known'))).toHaveLength(1);
});

describe.each(ADAPTERS)('while PostHog hangs, on %s', (adapter) => {
  it('the first request waits for timeoutMs, and the others do not wait', async () => {
    const { url, posthog, lines } = await serve({
      adapter,
      controllers: [Routes],
      imports: [FeatureFlagsModule.forRoot({ coolDownMs: 600_000 })],
    });
    posthog.flags.set({ beta: true, color: { variant: 'blue' } });
    posthog.flags.failAlways({ hang: true });
    const timed = async (path: string): Promise<{ ms: number; answer: unknown }> => {
      const start = performance.now();
      const response = await fetch(`${url}/${path}`, { headers: { 'x-posthog-distinct-id': 'ann' } });
      const answer = path === 'open' ? await response.json() : (await response.arrayBuffer(), response.status);
      return { ms: performance.now() - start, answer };
    };
    await timed('plain');
    const start = performance.now();
    const timer = new Promise<number>((resolve) => setTimeout(() => resolve(performance.now() - start), 500));
    const [first, timeout] = await Promise.all([timed('open'), timer]);
    expect(first.answer).toEqual({ color: 'control' });
    // The default of timeoutMs. posthog-node alone waits 9 seconds.
    expect(first.ms).toBeLessThan(timeout * 5);

    const times = { guarded: [] as number[], open: [] as number[], plain: [] as number[], missing: [] as number[] };
    for (let round = 0; round < 50; round++) {
      for (const path of ['guarded', 'open', 'plain', 'missing'] as const) {
        const { ms, answer } = await timed(path);
        times[path].push(ms);
        if (path === 'guarded') expect(answer).toBe(404);
        if (path === 'open') expect(answer).toEqual({ color: 'control' });
      }
    }
    expect(posthog.flags.requests).toHaveLength(1);
    expect(lines.filter((line) => line.includes('PostHog did not respond'))).toHaveLength(1);
    // Compared with routes without flags, in the same run.
    expect(median(times.guarded)).toBeLessThan(median(times.missing) * 5);
    expect(median(times.open)).toBeLessThan(median(times.plain) * 5);
    if (process.env.SHOW_TIMES)
      console.log(
        adapter,
        first.ms,
        Object.entries(times).map(([path, all]) => [path, median(all), Math.max(...all)]),
      );
  });
});
