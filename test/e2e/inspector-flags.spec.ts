import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { type Browser, type Page } from 'playwright-core';
import { reportFlags } from '../../lib/capture/flag-stats.js';
import { chromiumPath, look, startChromium } from '../support/chromium.js';
import { QUIET_FLAGS } from '../support/flag-stats.js';
import { closeAll } from '../support/harness.js';
import { serve } from '../support/serve.js';

if (chromiumPath === undefined) console.warn('Skipped: feature flags in a browser, because Chromium is not installed.');

const row = (page: Page, text: string) => page.locator('#list li:visible', { hasText: text });

(chromiumPath === undefined ? describe.skip : describe)('feature flags in the inspector, in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startChromium();
  });
  afterAll(() => browser.close());
  afterEach(closeAll);

  it('shows the reads of feature flags, and the flags that an event was decided by', async () => {
    const { url, capture } = await serve({ imports: [PostHogCaptureInspectorModule.forRoot()] });
    const { page, alarms } = await look(browser, `${url}/_posthog`);
    await page.getByText('No events yet').waitFor();
    expect(await page.locator('#side-table').isVisible()).toBe(false);
    let count = 2;
    const key = '<b>checkout</b>';
    reportFlags(capture, () => ({ ...QUIET_FLAGS, reads: [{ key, value: 'blue', count }], otherReads: 4 }));
    const side = page.locator('#side-table');
    await side.getByText('Evaluated locally, definitions 1 min old; 0 requests').waitFor();
    const rows = side.locator('tbody tr');
    await rows.filter({ hasText: `${key}blue2` }).waitFor();
    await rows.filter({ hasText: 'all others4' }).waitFor();
    count = 3;
    await rows.filter({ hasText: `${key}blue3` }).waitFor();

    const flags = { [`$feature/${key}`]: 'blue', $active_feature_flags: [key] };
    const blob = 'z'.repeat(20_000);
    capture.capture({ event: 'paid', distinctId: 'ann', properties: { $current_url: '/a', total: 5, ...flags, blob } });
    capture.capture({ event: 'plain', distinctId: 'bob', properties: { total: 6 } });
    const preview = row(page, 'paid').locator('.more');
    await preview.filter({ hasText: 'total: 5' }).waitFor();
    expect(await preview.textContent()).toMatch(/total: 5 {2}.*⚑ <b>checkout<\/b>: "blue" {2}\$current_url/);
    await row(page, 'plain').waitFor();
    await side.getByRole('button', { name: key }).click();
    await row(page, 'plain').waitFor({ state: 'detached' });
    await row(page, 'paid').click();
    await page.locator('#detail-flags', { hasText: `⚑ ${key}"blue"` }).waitFor();
    expect(alarms).toEqual([]);
  });
});
