import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { type Browser } from 'playwright-core';
import { AppModule } from '../../sample/01-quick-start/src/app.module.js';
import { chromiumPath, look, startChromium } from '../support/chromium.js';

if (chromiumPath === undefined)
  console.warn('Skipped: the page of the quick start in a browser. There is no Chromium on this machine.');

(chromiumPath === undefined ? describe.skip : describe)('the page of the quick start in Chromium', () => {
  let browser: Browser;
  let posthog: FakePostHog;
  let app: INestApplication;

  beforeAll(async () => {
    browser = await startChromium();
    posthog = await FakePostHog.start();
    Object.assign(process.env, {
      POSTHOG_API_KEY: 'phc_test',
      POSTHOG_HOST: posthog.url,
      POSTHOG_FLUSH_INTERVAL_MS: '5',
    });
    app = await NestFactory.create(AppModule, { logger: false });
    await app.listen(0, '127.0.0.1');
  });
  afterAll(async () => {
    await browser.close();
    await app.close();
    await posthog.close();
  });

  it.each([
    ['a desktop', { viewport: { width: 1280, height: 800 } }],
    ['a phone', { viewport: { width: 390, height: 844 }, isMobile: true }],
  ])('shows the response without scrolling, and the event until it is delivered, on %s', async (_, options) => {
    const { page, alarms } = await look(browser, await app.getUrl(), options);
    await page.getByText('live', { exact: true }).waitFor();
    for (const [button, status, answer] of [
      ['Two cakes', 'HTTP 201', '"total": 10'],
      ['Send page_view', 'HTTP 200', '"success": true'],
      ['Leave out distinct_id', 'HTTP 400', 'distinct_id'],
    ] as const) {
      await page.getByRole('button', { name: button }).click();
      await page.locator('#status', { hasText: status }).waitFor();
      await page.locator('#answer', { hasText: answer }).waitFor();
      const { y, height } = (await page.locator('#answer').boundingBox())!;
      expect(y + height).toBeLessThanOrEqual(options.viewport.height);
    }
    for (const text of [/order_placed.*user_456.*total: 10.*delivered, \d/, /page_view.*user_123.*delivered, \d/])
      await page.locator('#events li', { hasText: text }).first().waitFor();
    expect(await page.evaluate('[scrollY, document.documentElement.scrollWidth]')).toEqual([0, options.viewport.width]);
    expect(await page.getByRole('link', { name: 'Inspector' }).getAttribute('href')).toBe('/_posthog');
    // Chromium reports the intended 400 on the console.
    expect(alarms.filter((alarm) => !alarm.includes('400 (Bad Request)'))).toEqual([]);
  });
});
