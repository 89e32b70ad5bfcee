// `npm run screenshots`: takes the screenshots of the inspector in docs/images. A small application captures events for about a
// minute, in three browser windows, and then its local PostHog fails. Requires Chromium; set CHROMIUM to its path.
import { mkdirSync } from 'node:fs';
import { ensureInstalled, must, ROOT } from './lib.mjs';

await ensureInstalled();
await must(process.execPath, ['scripts/build.mjs']);

const { chromium } = await import('playwright-core');
const { Module } = await import('@nestjs/common');
const { NestFactory } = await import('@nestjs/core');
const { CaptureService, defineEvent, PostHogCaptureModule } = await import('nestjs-posthog-capture');
const { PostHogCaptureInspectorModule } = await import('nestjs-posthog-capture/inspector');
const { FakePostHog } = await import('nestjs-posthog-capture/testing');
const { z } = await import('zod');

const FOLDER = `${ROOT}docs/images/`;
mkdirSync(FOLDER, { recursive: true });
const seconds = (count) => new Promise((resolve) => setTimeout(resolve, count * 1000));

let seed = 7;
const random = (below) => Math.floor(((seed = (seed * 48271) % 2147483647) / 2147483647) * below);

const EVENTS = [
  ['page_view', () => ({ path: ['/', '/pricing', '/docs', '/cart'][random(4)], referrer: 'https://example.com/' })],
  ['page_view', () => ({ path: '/products/coffee', utm_source: 'newsletter' })],
  ['product_viewed', () => ({ product: ['coffee', 'cake', 'tea'][random(3)], price: 3 + random(9) })],
  ['order_placed', () => ({ total: 12 + random(80), currency: 'EUR', items: 1 + random(4), email: 'ann@example.com' })],
  ['signed_up', () => ({ plan: ['free', 'pro'][random(2)], email: 'bob@example.com' })],
  ['search_performed', () => ({ query: ['espresso', 'gift card', 'decaf'][random(3)], results: random(40) })],
];

const CATALOG = [
  defineEvent(
    'order_placed',
    z.object({
      total: z.number().describe('With tax'),
      currency: z.enum(['EUR', 'USD']),
      items: z.int().min(1),
      email: z.email().optional(),
    }),
    { description: 'A customer paid an order', owner: 'checkout', pii: ['email'], version: 2 },
  ),
  defineEvent('signed_up', z.object({ plan: z.enum(['free', 'pro']), email: z.email() }), {
    description: 'A visitor created an account',
    owner: 'growth',
    pii: ['email'],
  }),
  defineEvent('product_viewed', z.object({ product: z.string(), price: z.number() }), {
    description: 'A visitor opened the page of a product',
    owner: 'checkout',
  }),
  defineEvent('checkout_started', z.object({ total: z.number() }), {
    owner: 'checkout',
    deprecated: 'use cart_opened',
  }),
];

class PaymentError extends Error {
  name = 'PaymentError';
}

function readCard(card) {
  return JSON.parse(card);
}

/** An error with a cause. */
function failedCheckout() {
  try {
    return readCard('{"number":');
  } catch (cause) {
    return new PaymentError('The card could not be charged', { cause });
  }
}

const posthog = await FakePostHog.start();
const AppModule = class {};
Module({
  imports: [
    PostHogCaptureModule.forRoot({
      apiKey: 'phc_local',
      host: posthog.url,
      flushIntervalMs: 700,
      retryBaseMs: 400,
      maxRetries: 1,
      coolDownMs: 14_000,
      events: { catalog: CATALOG, unknown: 'allow', invalid: 'warn' },
      logger: { log() {}, warn() {}, error() {} },
    }),
    PostHogCaptureInspectorModule.forRoot({ enabled: true, mask: ['*email*'] }),
  ],
})(AppModule);
const app = await NestFactory.create(AppModule, { logger: false });
await app.listen(0, '127.0.0.1');
const url = `http://localhost:${app.getHttpServer().address().port}/_posthog`;
const capture = app.get(CaptureService);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const open = async (options) => {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(url);
  return page;
};
const desk = { viewport: { width: 1180, height: 720 } };
const light = await open({ ...desk, colorScheme: 'light' });
const dark = await open({ ...desk, colorScheme: 'dark' });
const phone = await open({
  viewport: { width: 390, height: 844 },
  colorScheme: 'light',
  deviceScaleFactor: 1.25,
  isMobile: true,
  hasTouch: true,
});
const shoot = (page, name) => page.screenshot({ path: `${FOLDER}${name}.png` });

const busy = setInterval(() => {
  for (let count = random(3); count >= 0; count--) {
    const [event, properties] = EVENTS[random(EVENTS.length)];
    capture.capture({ event, distinctId: `user_${100 + random(60)}`, properties: properties() });
  }
  if (random(15) === 0)
    capture.capture({ event: 'order_placed', distinctId: 'user_9', properties: { total: '42', currency: 'EUR' } });
  if (random(25) === 0)
    capture.capture({ event: 'order_placed', distinctId: 'user_7', properties: { note: 'x'.repeat(1024 * 1024) } });
}, 450);
// Latency like that of a remote server.
posthog.failWhen(() => ({ delayMs: 20 + random(90) }));

await seconds(64);
await dark.keyboard.press('ArrowDown');
for (let row = 0; row < 6; row++) await dark.keyboard.press('ArrowDown');
await dark.locator('#list li', { hasText: 'order_placed' }).filter({ hasText: 'delivered' }).first().click();
await seconds(1);
await shoot(dark, 'inspector-dark');
await dark.keyboard.press('Escape');
await light.keyboard.press('c');
await light.locator('#definitions summary', { hasText: 'order_placed' }).click();
await seconds(1);
await shoot(light, 'inspector-catalog');
await light.keyboard.press('Escape');
capture.withContext({ distinctId: 'user_142' }, () => {
  capture.step('cart loaded', { items: 3 });
  capture.capture({ event: 'checkout_started', properties: { total: 58 } });
  capture.step('charging the card', { total: 58 });
  capture.captureException(failedCheckout());
});
await dark.locator('#list li', { hasText: 'PaymentError' }).filter({ hasText: 'delivered' }).click();
await dark.setViewportSize({ width: 1280, height: 1150 });
await dark.locator('#stack .steps').waitFor();
await dark.locator('aside').screenshot({ path: `${FOLDER}inspector-error.png` });
posthog.failWhen(() => ({ status: 503, delayMs: 60 }));
await seconds(3.4);
await shoot(light, 'inspector');
await shoot(phone, 'inspector-phone');

clearInterval(busy);
posthog.failWhen(null);
await browser.close();
await app.close();
await posthog.close();
