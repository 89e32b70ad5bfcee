import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { defineEvent, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { z } from 'zod';
import { chromiumPath, look, type Looked, LOW_CONTRAST, startChromium } from '../support/chromium.js';
import { closeAll, onClose } from '../support/harness.js';
import { type Served, serve } from '../support/serve.js';

if (chromiumPath === undefined) console.warn('Skipped: definitions in a browser, because Chromium is not installed.');

const OrderPlaced = defineEvent(
  'order_placed',
  z.object({
    total: z.number().describe('In euros, with tax'),
    currency: z.enum(['EUR', 'USD']).default('EUR'),
    items: z.array(z.object({ sku: z.string() })).optional(),
    email: z.string().optional(),
  }),
  { description: 'An order was paid', owner: 'checkout', pii: ['email'], version: 2 },
);
const OrderCreated = defineEvent('order_created', z.object({}), { deprecated: 'use order_placed' });
const Refunded = defineEvent('refunded', z.object({ reason: z.string() }), { description: 'A payment went back' });

const HOSTILE = [
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(2)</script>',
  'safe\u202egnp.exe',
  '__proto__',
];
const hostile = HOSTILE.map((text) =>
  defineEvent(text, z.object({ [text]: z.literal(text).describe(text) }), {
    description: text,
    owner: text,
    deprecated: text,
    pii: [text],
  }),
);

const row = (page: Page, text: string) => page.locator('#list li:visible', { hasText: text });
const WIDTH = 'document.documentElement.scrollWidth - innerWidth';

(chromiumPath === undefined ? describe.skip : describe)('definitions in the inspector, in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startChromium();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await closeAll();
  });

  const open = async (
    events: PostHogCaptureModuleOptions['events'],
    options: BrowserContextOptions = {},
    more: PostHogCaptureModuleOptions = {},
  ): Promise<Looked & Served> => {
    const imports = [PostHogCaptureInspectorModule.forRoot()];
    const served = await serve({ posthog: { events, ...more }, imports });
    const looked = await look(browser, `${served.url}/_posthog`, {
      viewport: { width: 1280, height: 900 },
      ...options,
    });
    await looked.page.getByText('No events yet').waitFor();
    return { ...served, ...looked };
  };

  it('shows the definition of an event beside it, and what breaks it', async () => {
    const catalog = [OrderPlaced, OrderCreated];
    const { page, alarms, capture } = await open({ catalog, invalid: 'warn', unknown: 'warn' });
    const wrong = { total: 'secret', items: [{ sku: 5 }], email: 'ann@example.com' };
    capture.capture({ event: 'order_placed', distinctId: 'ann', properties: wrong });
    capture.capture({ event: 'signed_up', distinctId: 'bob' });
    capture.capture(OrderCreated({}, { distinctId: 'cid' }));
    capture.capture(OrderPlaced({ total: 3 }, { distinctId: 'dan' }));

    await row(page, 'ann').filter({ hasText: '⚠ its properties break its definition: total, items[0].sku' }).click();
    const problems = page.locator('#detail-problems li');
    expect(await problems.allTextContents()).toEqual(['Its properties break its definition: total, items[0].sku']);
    const definition = page.locator('#detail-definition');
    await definition.getByText('An order was paid').waitFor();
    await definition.getByText('Definition · owner: checkout · version 2').waitFor();
    const cells = (name: string) => definition.locator('tbody tr', { hasText: name }).textContent();
    expect(await cells('total')).toBe('totalIn euros, with taxnumberinvalidrequired');
    expect(await cells('items')).toBe('items{ sku: string }[]invalid');
    expect(await cells('currency')).toMatch(/^currency"EUR" \| "USD"/);
    expect(await cells('email')).toBe('emailstringpii');
    await page.locator('#json', { hasText: '"total": "secret"' }).waitFor();
    await page.locator('#json', { hasText: '"email": "•••"' }).waitFor();

    await row(page, 'signed_up').click();
    await problems.filter({ hasText: 'It is not in the catalog' }).waitFor();
    expect(await definition.isVisible()).toBe(false);
    await row(page, 'order_created').click();
    await problems.filter({ hasText: 'The event is deprecated: use order_placed' }).waitFor();
    await definition.getByText('Deprecated: use order_placed').waitFor();
    await row(page, 'total: 3').click();
    await definition.getByText('An order was paid').waitFor();
    expect(await problems.count()).toBe(0);
    expect(await definition.locator('.broken').count()).toBe(0);
    expect(await page.content()).not.toContain('ann@example.com');
    expect(alarms).toEqual([]);
  });

  it('shows what breaks a refused event, and the definition of a renamed one without personal properties', async () => {
    const { page, alarms, capture } = await open({ catalog: [OrderPlaced] }, undefined, {
      beforeSend: (event) => ({ ...event, event: `shop ${event.event}` }),
    });
    capture.capture({ event: 'order_placed', distinctId: 'ann', properties: { total: 'secret' } });
    capture.capture(OrderPlaced({ total: 3, email: 'ann@example.com' }, { distinctId: 'bob' }));
    await row(page, 'dropped').filter({ hasText: 'schema: its properties break its definition: total' }).click();
    const definition = page.locator('#detail-definition');
    await definition.locator('.broken', { hasText: 'total' }).waitFor();
    await row(page, 'shop order_placed').click();
    await definition.getByText('An order was paid').waitFor();
    await page.locator('#json', { hasText: '"email": "•••"' }).waitFor();
    expect(await page.content()).not.toMatch(/ann@example\.com|secret/);
    expect(alarms).toEqual([]);
  });

  it('folds the definition of a valid event in a low window, and remembers what the user chose', async () => {
    const low = { viewport: { width: 1280, height: 720 } };
    const { page, capture } = await open({ catalog: [OrderPlaced], invalid: 'warn' }, low);
    capture.capture(OrderPlaced({ total: 3 }, { distinctId: 'bob' }));
    capture.capture({ event: 'order_placed', distinctId: 'cid', properties: { total: 'x' } });
    const [summary, total] = ['#detail-definition summary', '#detail-definition tbody tr >> nth=0'];
    await row(page, 'bob').click();
    await page.locator(summary, { hasText: 'owner: checkout' }).waitFor();
    expect(await page.locator(total).isVisible()).toBe(false);
    await row(page, 'cid').click();
    await page.locator(total).waitFor();
    await row(page, 'bob').click();
    await page.locator(total).waitFor({ state: 'hidden' });
    await page.locator(summary).click();
    await page.locator(total).waitFor();
    await row(page, 'cid').click();
    await row(page, 'bob').click();
    await page.locator(total).waitFor();
  });

  it('lists all definitions, also those that were captured without a catalog', async () => {
    const { page, alarms, capture } = await open({ catalog: [OrderPlaced, OrderCreated], unknown: 'allow' });
    await page.getByRole('button', { name: 'Catalog' }).click();
    const rows = page.locator('#definitions > details:visible');
    await page.getByText('2 events', { exact: true }).waitFor();
    expect(await page.locator('#charts').isVisible()).toBe(false);
    capture.capture(Refunded({ reason: 'late' }, { distinctId: 'ann' }));
    await rows.filter({ hasText: 'refunded' }).filter({ hasText: 'not in the catalog' }).waitFor();
    expect(await page.locator('#catalog-shown').textContent()).toBe('3 events');
    for (const [search, found] of [
      ['euros', ['order_placed']],
      ['CHECKOUT', ['order_placed']],
      ['deprecated', ['order_created']],
      ['no such event', []],
      ['', ['order_created', 'order_placed', 'refunded']],
    ] as const) {
      await page.locator('#search').fill(search);
      expect(await rows.locator('.name').allTextContents()).toEqual(found);
    }
    await rows.filter({ hasText: 'refunded' }).locator('summary').click();
    await page.getByRole('button', { name: 'Show its events' }).click();
    await row(page, 'refunded').waitFor();
    expect(await page.locator('#search').inputValue()).toBe('refunded');
    expect(await page.locator('#catalog').isVisible()).toBe(false);
    expect(alarms).toEqual([]);
  });

  it('counts the events of each name, with and without a definition, from the start of the process', async () => {
    const served = await serve({
      posthog: { events: { catalog: [OrderPlaced, OrderCreated], unknown: 'allow' } },
      imports: [PostHogCaptureInspectorModule.forRoot()],
    });
    const { capture, url } = served;
    for (let n = 0; n < 3; n++)
      capture.capture({ event: 'order_placed', distinctId: 'ann', properties: { total: 'x' } });
    capture.capture(OrderPlaced({ total: 3 }, { distinctId: 'ann' }));
    capture.capture(OrderPlaced({ total: 3 }));
    for (let n = 0; n < 9; n++) capture.capture({ event: '$pageview', distinctId: 'ann' });
    capture.capture({ event: '', distinctId: 'ann' });
    const { page, alarms } = await look(browser, `${url}/_posthog`);
    await page.getByRole('button', { name: 'Catalog' }).click();
    await page.getByText('4 events', { exact: true }).waitFor();
    const summary = (name: string) => page.locator('#definitions summary', { hasText: name });
    expect(await summary('order_placed').textContent()).toMatch(
      /^order_placedpiiversion 2An order was paidcheckout5 captured3 dropped\d+ bytes size50 % personless$/,
    );
    expect(await summary('order_created').textContent()).toMatch(/· captured· dropped· size· personless$/);
    expect(await summary('$pageview').textContent()).toMatch(
      /^\$pageview9 captured0 dropped[\d.]+ KiB size0 % personless$/,
    );
    expect(await summary('(no name)').textContent()).toBe('(no name)1 captured1 dropped0 bytes size– personless');
    await summary('order_placed').click();
    await page.getByText('Dropped: 3 schema').waitFor();
    capture.capture({ event: 'signed_up', distinctId: 'ann' });
    await summary('signed_up').filter({ hasText: 'no definition1 captured' }).waitFor();
    // A row that was opened stays open.
    await page.getByText('Dropped: 3 schema').waitFor();
    const names = page.locator('#definitions .name');
    await page.getByRole('button', { name: 'captured' }).click();
    const byCaptured = ['$pageview', 'order_placed', '(no name)', 'signed_up', 'order_created'];
    expect(await names.allTextContents()).toEqual(byCaptured);
    await page.getByRole('button', { name: 'dropped' }).click();
    expect((await names.allTextContents())[0]).toBe('order_placed');
    await page.getByRole('button', { name: 'Name', exact: true }).click();
    expect(await names.allTextContents()).toEqual(byCaptured.sort());
    expect(alarms).toEqual([]);
  });

  it('has a catalog that can be used without a mouse', async () => {
    const { page } = await open({ catalog: [OrderPlaced, OrderCreated, Refunded] });
    await page.keyboard.press('c');
    await page.locator('#definitions').waitFor();
    expect(await page.locator('#show-catalog').getAttribute('aria-pressed')).toBe('true');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const focused = () => page.evaluate('document.activeElement.querySelector(".name")?.textContent');
    expect(await focused()).toBe('order_placed');
    await page.keyboard.press('Enter');
    await page.getByText('In euros, with tax').waitFor();
    await page.keyboard.press('ArrowUp');
    expect(await focused()).toBe('order_created');
    await page.keyboard.press('/');
    await page.keyboard.type('refunded');
    await page.keyboard.press('Enter');
    expect(await focused()).toBe('refunded');
    await page.keyboard.press('Escape');
    expect(await page.locator('#search').inputValue()).toBe('');
    await page.keyboard.press('Escape');
    expect(await page.locator('#catalog').isVisible()).toBe(false);
    expect(await page.locator('#show-events').getAttribute('aria-pressed')).toBe('true');
  });

  it('has the new definitions after a restart', async () => {
    const imports = [PostHogCaptureInspectorModule.forRoot()];
    const first = await serve({ posthog: { events: { catalog: [OrderPlaced] } }, imports });
    const { page } = await look(browser, `${first.url}/_posthog`);
    await page.getByRole('button', { name: 'Catalog' }).click();
    await page.locator('#definitions', { hasText: 'order_placed' }).waitFor();
    await first.app.close();
    await serve({ posthog: { events: { catalog: [Refunded] } }, imports, port: Number(new URL(first.url).port) });
    await page.locator('#definitions', { hasText: 'refunded' }).waitFor();
    expect(await page.locator('#catalog-shown').textContent()).toBe('1 event');
  });

  it('explains an empty catalog', async () => {
    const { page } = await open(undefined);
    await page.getByRole('button', { name: 'Catalog' }).click();
    await page.getByText('No event has a definition yet').waitFor();
    expect(await page.locator('#catalog-shown').textContent()).toBe('0 events');
  });

  it.each([
    ['light', { width: 1280, height: 900 }],
    ['dark', { width: 390, height: 844 }],
  ] as const)('shows hostile definitions as text, readable in the %s theme', async (colorScheme, viewport) => {
    const events = { catalog: [OrderPlaced, OrderCreated, ...hostile], invalid: 'warn' } as const;
    const { page, alarms, capture } = await open(events, { colorScheme, viewport });
    for (const definition of hostile) {
      capture.capture({ event: definition.eventName, distinctId: 'ann', properties: { [definition.eventName]: 5 } });
    }
    capture.capture({ event: 'order_placed', distinctId: 'bob', properties: { total: 'x' } });
    for (const text of ['<img src=x', '</script>', 'safe\\u202egnp', '__proto__']) {
      await row(page, text).first().click();
      await page.locator('#detail-definition tbody tr', { hasText: text }).first().waitFor();
      expect(await page.evaluate(WIDTH)).toBe(0);
      await page.keyboard.press('Escape');
    }
    await row(page, 'bob').click();
    await page.locator('#detail-definition .broken').waitFor();
    expect(await page.evaluate(LOW_CONTRAST)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Catalog' }).click();
    await page.evaluate('for (const one of document.querySelectorAll("#definitions details")) one.open = true');
    expect(await page.locator('#definitions > details').count()).toBe(hostile.length + 2);
    expect(await page.locator('#catalog img, #catalog script, #detail img, #detail script').count()).toBe(0);
    expect(await page.evaluate(LOW_CONTRAST)).toEqual([]);
    expect(await page.evaluate(WIDTH)).toBe(0);
    expect(alarms).toEqual([]);
  });

  it('is not on the page of a local PostHog, which has no definitions', async () => {
    const posthog = await FakePostHog.start();
    onClose(() => posthog.close());
    const { page, alarms } = await look(browser, posthog.url);
    await page.locator('#hint', { hasText: 'No event has arrived yet' }).waitFor();
    expect(await page.getByRole('button', { name: 'Catalog' }).isVisible()).toBe(false);
    await page.keyboard.press('c');
    expect(await page.locator('#catalog').isVisible()).toBe(false);
    expect(alarms).toEqual([]);
  });
});
