import { AsyncResource } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { chromiumPath, look, type Looked, LOW_CONTRAST, startChromium } from '../support/chromium.js';
import { closeAll } from '../support/harness.js';
import { ADAPTERS, type AdapterName, type Served, serve, type ServeOptions } from '../support/serve.js';

if (chromiumPath === undefined) console.warn('Skipped: the inspector in a browser, because Chromium is not installed.');

const state = (page: Page, text: string | RegExp) => page.locator('#state-text', { hasText: text });
const row = (page: Page, text: string) => page.locator('#list li:visible', { hasText: text });

(chromiumPath === undefined ? describe.skip : describe)('the inspector in Chromium', () => {
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
    options: BrowserContextOptions = {},
    more: Partial<ServeOptions> = {},
  ): Promise<Looked & Served> => {
    const served = await serve({ ...more, imports: [PostHogCaptureInspectorModule.forRoot({ mask: ['email'] })] });
    const looked = await look(browser, `${served.url}/_posthog`, options);
    await looked.page.getByText('No events yet').waitFor();
    return { ...served, ...looked };
  };

  it.each(ADAPTERS)('shows events and their fate live, on %s', async (adapter: AdapterName) => {
    const { page, alarms, capture, posthog } = await open(
      {},
      { adapter, posthog: { maxRetries: 0, coolDownMs: 60_000 } },
    );
    expect(await page.locator('#state-text').textContent()).toBe('No request sent yet; nothing waiting');
    capture.capture({ event: 'order_placed', distinctId: 'ann', properties: { total: 42, email: 'ann@example.com' } });
    await row(page, 'order_placed').filter({ hasText: 'delivered' }).filter({ hasText: 'total: 42' }).waitFor();
    await state(page, 'PostHog responds; nothing waiting').waitFor();
    await page.locator('#names tbody tr', { hasText: /^order_placed1·1·$/ }).waitFor();

    posthog.failAlways({ status: 503 });
    capture.capture({ event: 'signed_up', distinctId: 'bob' });
    await row(page, 'signed_up').filter({ hasText: 'retrying (1)' }).waitFor();
    await state(
      page,
      /^PostHog responds with HTTP 503: cooling down, next attempt in \d+ s; 1 event waiting$/,
    ).waitFor();
    capture.capture({ event: 'far_too_large', distinctId: 'bob', properties: { text: 'x'.repeat(2_000_000) } });
    await row(page, 'far_too_large').filter({ hasText: 'dropped' }).filter({ hasText: 'too_large' }).waitFor();
    // Charts have values after the first second.
    await page.locator('.chart', { hasText: 'Queue' }).locator('output', { hasText: /^1 / }).waitFor();
    posthog.failAlways(null);
    await capture.flush();
    await row(page, 'signed_up').filter({ hasText: 'delivered' }).waitFor();
    expect(await page.content()).not.toContain('ann@example.com');
    expect(alarms).toEqual([]);
  });

  it('shows the exact JSON of an event, pretty and raw, with masked values', async () => {
    const { page, capture, posthog } = await open();
    capture.capture({ event: 'paid', distinctId: 'ann', properties: { email: 'ann@example.com', total: 5 } });
    capture.capture({ event: 'plain', distinctId: 'bob', properties: { long: 'y'.repeat(20_000), end: 'the end' } });
    await row(page, 'paid').click();
    await page.locator('#json', { hasText: '"email": "•••"' }).waitFor();
    expect(await page.locator('#json').textContent()).toContain('  "properties": {\n');
    await row(page, 'plain').click();
    await page.locator('#json', { hasText: '"end": "the end"' }).waitFor();
    await page.getByRole('button', { name: 'Raw' }).click();
    const [sent] = (await posthog.waitForEvents(2)).filter(({ event }) => event === 'plain');
    const shown: unknown = JSON.parse((await page.locator('#json').textContent()) ?? '');
    expect(shown).toMatchObject({ uuid: sent?.uuid, properties: sent?.properties });
  });

  it("shows an event's own properties before those of PostHog", async () => {
    const { page, capture } = await open();
    capture.capture({ event: 'paid', distinctId: 'ann', properties: { $current_url: '/a', total: 5 } });
    const preview = row(page, 'paid').locator('.more');
    await preview.filter({ hasText: 'total: 5' }).waitFor();
    expect(await preview.textContent()).toMatch(/total: 5 {2}\$current_url: "\/a"/);
  });

  it('also shows the own properties of an event of which the list has only the first 8 KiB', async () => {
    const { page, capture } = await open();
    const blob = '"}x\\'.repeat(10_000);
    const properties = { $current_url: '/a', total: 5, nested: { $a: [1, '}'] }, $set: { plan: 'pro' }, blob, late: 1 };
    capture.capture({ event: 'paid', distinctId: 'ann', properties });
    const preview = row(page, 'paid').locator('.more');
    await preview.filter({ hasText: 'total: 5' }).waitFor();
    expect(await preview.textContent()).toMatch(
      /total: 5 {2}nested: \{"\$a":\[1,"\}"\]\} {2}blob: "\\"\}x[^]{1,100}… {2}\$/,
    );
  });

  it('counts pending events by name, and groups names that were seen once', async () => {
    const { page, capture, posthog } = await open({}, { posthog: { maxRetries: 0, coolDownMs: 60_000 } });
    posthog.failAlways({ status: 503 });
    for (let n = 0; n < 3; n++) capture.capture({ event: 'order_placed', distinctId: 'ann' });
    for (let n = 0; n < 7; n++) capture.capture({ event: `order_${n}`, distinctId: 'ann' });
    const rows = page.locator('#names tbody tr');
    await rows.filter({ hasText: /^order_placed33··$/ }).waitFor();
    await rows.filter({ hasText: /^other one-off names \(7\)77··$/ }).waitFor();
    posthog.failAlways(null);
    await capture.flush();
    await rows.filter({ hasText: /^order_placed3·3·$/ }).waitFor();
    await rows.filter({ hasText: /^other one-off names \(7\)7·7·$/ }).waitFor();
    expect(await rows.filter({ hasText: 'one-off' }).getByRole('button').count()).toBe(0);
  });

  it('filters by fate and searches names, ids and any text', async () => {
    const { page, capture } = await open();
    capture.capture({ event: 'order_placed', distinctId: 'ann', properties: { product: 'Espresso' } });
    capture.capture({ event: 'signed_up', distinctId: 'bob' });
    capture.capture({ event: '', distinctId: 'cid' });
    await row(page, 'dropped').waitFor();
    await row(page, 'signed_up').filter({ hasText: 'delivered' }).waitFor();
    const visible = () => page.locator('#list li:visible').count();
    for (const [search, count] of [
      ['ESPRESSO', 1],
      ['bob', 1],
      ['signed', 1],
      ['nothing like it', 0],
      ['', 3],
    ] as const) {
      await page.locator('#search').fill(search);
      expect(await visible()).toBe(count);
    }
    await page.getByRole('button', { name: /^dropped/ }).click();
    expect(await visible()).toBe(1);
    expect(await page.locator('#shown').textContent()).toBe('1 of the last 3 events');
    // New events are filtered as well.
    capture.capture({ event: 'later', distinctId: 'ann' });
    capture.capture({ event: '', distinctId: 'dan' });
    await page.getByText('2 of the last 5 events').waitFor();
    await page.getByRole('button', { name: /^dropped/ }).click();
    await page.locator('#names').getByRole('button', { name: 'signed_up' }).click();
    expect(await visible()).toBe(1);
  });

  it('pauses with a count of new events, resumes, and clears', async () => {
    const { page, capture } = await open();
    capture.capture({ event: 'before', distinctId: 'ann' });
    await row(page, 'before').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    capture.capture({ event: 'meanwhile', distinctId: 'ann' });
    await page.getByText('Paused, 1 new').waitFor();
    expect(await row(page, 'meanwhile').count()).toBe(0);
    await page.getByRole('button', { name: 'Resume' }).click();
    await row(page, 'meanwhile').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    expect(await page.locator('#list li').count()).toBe(0);
    capture.capture({ event: 'after', distinctId: 'ann' });
    await row(page, 'after').waitFor();
    expect(await page.locator('#list li').count()).toBe(1);
  });

  it('keeps the shown events while paused, however many new ones arrive', async () => {
    const { page, capture } = await open();
    capture.capture({ event: 'before', distinctId: 'ann', properties: { total: 42 } });
    await row(page, 'before').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    const { missed, max } = { missed: 600, max: 500 };
    for (let n = 0; n < missed; n += 1) capture.capture({ event: 'meanwhile', distinctId: 'ann' });
    await page.getByText(/^Paused, [5-9]\d\d new$/).waitFor();
    await capture.flush();
    await row(page, 'before').click();
    await page.locator('#json', { hasText: '"total": 42' }).waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await row(page, 'meanwhile').first().waitFor();
    expect(await page.locator('#list li').count()).toBe(max);
    expect(await row(page, 'before').count()).toBe(0);
  });

  /** Captures an error with causes and steps, and opens it. */
  const openError = async ({ page, capture }: Looked & Served): Promise<void> => {
    const malformed = new SyntaxError('no total');
    const declined = Object.assign(new Error('card declined'), { name: 'CardError' });
    const chargeCard = (): never => {
      throw new RangeError('Checkout failed', { cause: new AggregateError([malformed, declined], 'Both') });
    };
    const checkout = new EventEmitter().on('charge', chargeCard);
    // Not as one literal, because the page shows these lines.
    const email = ['ann', 'example.com'].join('@');
    capture.withContext({ distinctId: 'ann' }, () => {
      capture.step('cart loaded', { items: 2, email });
      capture.capture({ event: 'checkout_started' });
      try {
        // Two calls of Node.js, one after the other.
        new AsyncResource('checkout').runInAsyncScope(checkout.emit, checkout, 'charge');
      } catch (error) {
        capture.captureException(error);
      }
    });
    await row(page, 'RangeError: Checkout failed').filter({ hasText: 'delivered' }).click();
    await page.locator('#stack h3', { hasText: 'RangeError: Checkout failed' }).waitFor();
  };

  it('shows the stack of an error with source lines, causes and steps', async () => {
    const opened = await open({ viewport: { width: 1500, height: 1300 } }, {});
    const { page, alarms } = opened;
    await openError(opened);
    expect(await page.locator('#stack > p').first().textContent()).toBe('error · handled');
    const [outermost] = await page.locator('#stack > .error').all();
    const first = outermost!.locator('> div > .frame, > details').first();
    expect(await first.locator('summary').textContent()).toMatch(
      /^EventEmitter\.chargeCard \(test\/e2e\/inspector-browser\.spec\.ts:\d+\)$/,
    );
    expect(await first.getAttribute('class')).toBe('frame own');
    expect(await first.locator('.line').count()).toBe(11);
    expect(await first.locator('.thrower').textContent()).toMatch(/^\d+ *throw new RangeError/);
    expect(await first.locator('.source').isVisible()).toBe(true);
    // Calls of packages and of Node.js are shown on demand.
    const others = page.locator('#stack details.frames').first();
    expect(await others.locator('summary').first().textContent()).toMatch(/^\d+ calls of packages and Node\.js$/);
    expect(await others.locator('.frame').first().isVisible()).toBe(false);
    await others.locator('summary').first().click();
    expect(await others.locator('.frame').first().isVisible()).toBe(true);

    const causes = page.locator('#stack .error .error');
    expect(await causes.locator('> h3').allTextContents()).toEqual([
      'AggregateError: Both',
      'SyntaxError: no total',
      'CardError: card declined',
    ]);
    expect(await causes.locator('> p').allTextContents()).toEqual([
      'Caused by',
      'One of its errors',
      'One of its errors',
    ]);
    const lefts: number[] = await page.evaluate(
      "[...document.querySelectorAll('#stack .error > h3')].map((one) => one.getBoundingClientRect().left)",
    );
    expect([lefts[1]! > lefts[0]!, lefts[2]! > lefts[1]!, lefts[3]]).toEqual([true, true, lefts[2]]);

    const steps = page.locator('#stack .steps li');
    expect(await steps.allTextContents()).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d\.\d{3}cart loadeditems: 2 {2}email: "•••"$/),
      expect.stringMatching(/checkout_started$/),
    ]);
    expect(await page.content()).not.toContain('ann@example.com');
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    expect(alarms).toEqual([]);
  });

  it('shows the JSON of an error on demand, and other events as before', async () => {
    const opened = await open();
    const { page, capture } = opened;
    await openError(opened);
    expect(await page.locator('#json').isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Pretty' }).click();
    await page.locator('#json', { hasText: '"$exception_list": [' }).waitFor();
    expect(await page.locator('#stack').isVisible()).toBe(false);
    capture.capture({
      event: 'plain',
      distinctId: 'ann',
      properties: { $exception_list: [{ type: 'no', value: 'error' }] },
    });
    await row(page, 'plain').click();
    await page.locator('#json', { hasText: '"event": "plain"' }).waitFor();
    expect(await page.getByRole('button', { name: 'Stack' }).count()).toBe(0);
    await row(page, 'RangeError').click();
    await page.getByRole('button', { name: 'Stack' }).click();
    await page.locator('#stack h3').first().waitFor();
    expect(await page.locator('#json').isVisible()).toBe(false);
  });

  it('copies a stack as text', async () => {
    const opened = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    const { page } = opened;
    await openError(opened);
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(copied.split('\n').slice(0, 2)).toEqual([
      'RangeError: Checkout failed',
      expect.stringMatching(/^ {4}at EventEmitter\.chargeCard \(test\/e2e\/inspector-browser\.spec\.ts:\d+:\d+\)$/),
    ]);
    expect(copied).toContain('\n  [cause]: AggregateError: Both\n');
    expect(copied).toContain('\n    [member]: CardError: card declined\n');
  });

  it('hides an error that the mask hides, in part or as a whole', async () => {
    const { url, capture } = await serve({
      imports: [
        PostHogCaptureInspectorModule.forRoot({ mask: ['$exception_message'] }),
        PostHogCaptureInspectorModule.forRoot({ path: '_hidden', mask: ['$exception_*'] }),
      ],
    });
    const { page } = await look(browser, `${url}/_posthog`);
    const { page: hidden } = await look(browser, `${url}/_hidden`);
    for (const one of [page, hidden]) await one.getByText('No events yet').waitFor();
    capture.captureException(new RangeError('secret', { cause: new Error('secret') }), 'ann');
    await row(page, 'RangeError: •••').click();
    await page.locator('#stack h3', { hasText: 'Error: •••' }).first().waitFor();
    await row(hidden, '$exception').click();
    await hidden.locator('#json', { hasText: '"$exception_list": "•••"' }).waitFor();
    expect(await hidden.getByRole('button', { name: 'Stack' }).count()).toBe(0);
    for (const one of [page, hidden]) expect(await one.content()).not.toContain('"secret');
    expect(await hidden.content()).not.toContain('secret');
  });

  it('shows scripts in errors as text, and errors of any form', async () => {
    const { page, alarms, capture } = await open();
    const hostile = '<img src=x onerror=alert(1)></pre></script><script>alert(2)</script>\u202e';
    const odd = { type: hostile, value: hostile, mechanism: { exception_id: 'x', parent_id: {}, source: hostile } };
    const frame = {
      platform: hostile,
      function: hostile,
      filename: hostile,
      lineno: hostile,
      in_app: true,
      pre_context: [hostile, 5, null],
      context_line: hostile,
      post_context: hostile,
    };
    const frames = [frame, null, 5, { ...frame, in_app: 'yes' }, {}, { lineno: 1e9, context_line: '' }];
    const lists = {
      frames: [{ ...odd, stacktrace: { type: 'raw', frames } }, odd, { ...odd, stacktrace: null }],
      deep: Array.from({ length: 60 }, (_, id) => ({
        type: 'E',
        value: `${id}`,
        mechanism: { exception_id: id, ...(id > 0 && { parent_id: id - 1, source: '__proto__' }) },
      })),
      short: [{ type: '', value: '' }],
    };
    for (const [name, list] of Object.entries(lists)) {
      const steps = [{ $message: hostile, $timestamp: 5, [hostile]: hostile, __proto__: [hostile] }];
      const properties = { name, $exception_list: list, $exception_steps: steps, $exception_source: hostile };
      capture.capture({ event: '$exception', distinctId: 'ann', properties });
    }
    for (const name of Object.keys(lists)) {
      await row(page, `name: "${name}"`).click();
      await page.locator('#stack .steps', { hasText: '<img' }).waitFor();
      await page.evaluate('for (const one of document.querySelectorAll("#stack details")) one.open = true');
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      expect(await page.locator('main img, main script').count()).toBe(0);
    }
    expect(alarms).toEqual([]);
  });

  it('shows scripts in events as text and does not run them', async () => {
    const { page, alarms, capture } = await open();
    const hostile = [
      '<img src=x onerror=alert(1)>',
      '</script><script>alert(2)</script>',
      '"><svg onload=alert(3)>',
      'javascript:alert(4)\'"`${alert(5)}',
      'safe\u202egnp.exe\u2066\u0000\u001b[2J',
      '__proto__',
      '{{constructor.constructor("alert(6)")()}}',
    ];
    for (const text of hostile) {
      capture.capture({ event: text, distinctId: text, properties: { [text]: text, nested: { [text]: [text] } } });
      capture.capture({ event: '', distinctId: text, properties: { [text]: text } });
    }
    capture.capture({ event: 'megabyte', distinctId: 'ann', properties: { long: '<b>'.repeat(280_000) } });
    await row(page, 'megabyte').filter({ hasText: 'delivered' }).waitFor();
    for (const text of ['<img src=x', '</script>', '"><svg', 'javascript:', 'gnp.exe']) {
      await row(page, text).first().click();
      await page.locator('#json', { hasText: text.replaceAll('"', '\\"') }).waitFor();
      await page.getByRole('button', { name: 'Raw' }).click();
      await page.getByRole('button', { name: 'Pretty' }).click();
    }
    await row(page, 'megabyte').click();
    await page.getByText('Only the beginning is shown. Copy copies everything.').waitFor();
    expect(await row(page, 'gnp.exe').first().locator('.name').textContent()).toBe(
      'safe\\u202egnp.exe\\u2066\\u0000\\u001b[2J',
    );
    expect(await page.locator('main img, main svg, main script, main b').count()).toBe(0);
    expect(await page.evaluate('({}).polluted === undefined && document.scripts.length')).toBe(1);
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    expect(alarms).toEqual([]);
  });

  it('can be used without a mouse', async () => {
    const { page, capture } = await open();
    for (const event of ['one', 'two', 'three']) capture.capture({ event, distinctId: 'ann' });
    await row(page, 'one').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const active = () => page.locator('#list li[aria-selected=true] .name').textContent();
    expect(await active()).toBe('two');
    await page.keyboard.press('Enter');
    expect(await page.locator('#detail-name').textContent()).toBe('two');
    await page.keyboard.press('ArrowDown');
    expect(await page.locator('#detail-name').textContent()).toBe('one');
    expect(await page.locator('#list').getAttribute('aria-activedescendant')).toBe(
      await page.locator('#list li[aria-selected=true]').getAttribute('id'),
    );
    await page.keyboard.press('Escape');
    expect(await page.locator('#detail').isVisible()).toBe(false);
    await page.keyboard.press('/');
    await page.keyboard.type('three p ');
    expect(await page.locator('#search').inputValue()).toBe('three p ');
    await page.keyboard.press('Escape');
    expect(await page.locator('#search').inputValue()).toBe('');
    await page.keyboard.press('Escape');
    await page.keyboard.press('p');
    expect(await page.locator('#pause').getAttribute('aria-pressed')).toBe('true');
    await page.keyboard.press(' ');
    expect(await page.locator('#pause').getAttribute('aria-pressed')).toBe('false');
    const outline = 'getComputedStyle(document.activeElement).outlineStyle';
    expect(await page.evaluate(outline)).toBe('solid');
    await page.locator('#search').focus();
    const order: unknown[] = [];
    for (let stop = 0; stop < 9; stop++) {
      order.push(await page.evaluate('document.activeElement.id || document.activeElement.dataset.fate'));
      await page.keyboard.press('Tab');
    }
    expect(order).toEqual([
      'search',
      'queued',
      'sending',
      'retrying',
      'delivered',
      'dropped',
      'pause',
      'clear',
      'list',
    ]);
  });

  it.each(['light', 'dark'] as const)('has sufficient contrast in the %s theme', async (colorScheme) => {
    const opened = await open({ colorScheme });
    const { page, capture } = opened;
    capture.capture({ event: 'seen', distinctId: 'ann', properties: { total: 1 } });
    capture.capture({ event: '', distinctId: 'ann' });
    await row(page, 'seen').filter({ hasText: 'delivered' }).click();
    await row(page, 'dropped').waitFor();
    expect(await page.evaluate(PAINTED_BY_THEME)).toBe(colorScheme);
    expect(await page.evaluate(LOW_CONTRAST)).toEqual([]);
    await openError(opened);
    expect(await page.evaluate(LOW_CONTRAST)).toEqual([]);
  });

  it.each([
    ['a desktop', { width: 1280, height: 800 }],
    ['a phone', { width: 390, height: 844 }],
  ])('has readable charts with legends on %s', async (_, viewport) => {
    const { page } = await open({ viewport });
    expect((await page.locator('.plot').first().boundingBox())?.height).toBeGreaterThanOrEqual(80);
    expect(await page.locator('.legend').first().isVisible()).toBe(true);
  });

  it('fits a phone, where the details cover the page', async () => {
    const opened = await open({
      viewport: { width: 390, height: 844 },
      isMobile: true,
      hasTouch: true,
    });
    const { page, capture } = opened;
    const wide = 'document.documentElement.scrollWidth';
    capture.capture({ event: 'a_rather_long_name_of_an_event'.repeat(6), distinctId: 'x'.repeat(150) });
    await row(page, 'a_rather_long').waitFor();
    expect(await page.evaluate(wide)).toBe(390);
    await row(page, 'a_rather_long').tap();
    expect(await page.locator('#detail').boundingBox()).toMatchObject({ x: 0, y: 0, width: 390, height: 844 });
    expect(await page.evaluate(wide)).toBe(390);
    await page.getByRole('button', { name: 'Close' }).tap();
    expect(await page.locator('#detail').isVisible()).toBe(false);
    await openError(opened);
    expect(await page.evaluate(wide)).toBe(390);
  });

  it('removes the token from the address, and reconnects after a restart', async () => {
    const token = 'a-token-of-some-length';
    const imports = [PostHogCaptureInspectorModule.forRoot({ token })];
    const first = await serve({ imports });
    const { page, alarms } = await look(browser, `${first.url}/_posthog?token=${token}`);
    await page.getByText('No events yet').waitFor();
    expect(page.url()).toBe(`${first.url}/_posthog`);
    expect(alarms).toEqual([]);
    first.capture.capture({ event: 'before', distinctId: 'ann' });
    await row(page, 'before').filter({ hasText: 'delivered' }).waitFor();
    const port = Number(new URL(first.url).port);
    await first.app.close();
    await state(page, /^Disconnected for \d+ s, reconnecting …$/).waitFor();
    const second = await serve({ imports, port });
    await state(page, 'No request sent yet; nothing waiting').waitFor();
    second.capture.capture({ event: 'after', distinctId: 'ann' });
    await row(page, 'after').filter({ hasText: 'delivered' }).waitFor();
    // Events from before the restart are still shown.
    expect(await row(page, 'before').count()).toBe(1);
  });
});

/** The theme of the page, determined by its background colour. */
const PAINTED_BY_THEME = `(() => {
  const [red, green, blue] = getComputedStyle(document.documentElement).backgroundColor.match(/[\\d.]+/g).map(Number);
  return red + green + blue > 382 ? 'light' : 'dark';
})()`;
