import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { chromiumPath, look, type Looked, startChromium } from '../support/chromium.js';
import { closeAll } from '../support/harness.js';
import { ADAPTERS, type AdapterName, type Served, serve, type ServeOptions } from '../support/serve.js';

if (chromiumPath === undefined) console.warn('Skipped: the inspector in a browser, because Chromium is not installed.');

const state = (page: Page, text: string | RegExp) => page.locator('#state-text', { hasText: text });
const row = (page: Page, text: string) => page.locator('#list li:visible', { hasText: text });

(chromiumPath === undefined ? describe.skip : describe)('the inspector in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startChromium();
  }, 60_000);
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
    const { page, capture } = await open({ colorScheme });
    capture.capture({ event: 'seen', distinctId: 'ann', properties: { total: 1 } });
    capture.capture({ event: '', distinctId: 'ann' });
    await row(page, 'seen').filter({ hasText: 'delivered' }).click();
    await row(page, 'dropped').waitFor();
    expect(await page.evaluate(PAINTED_BY_THEME)).toBe(colorScheme);
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
    const { page, capture } = await open({
      viewport: { width: 390, height: 844 },
      isMobile: true,
      hasTouch: true,
    });
    const wide = 'document.documentElement.scrollWidth';
    capture.capture({ event: 'a_rather_long_name_of_an_event'.repeat(6), distinctId: 'x'.repeat(150) });
    await row(page, 'a_rather_long').waitFor();
    expect(await page.evaluate(wide)).toBe(390);
    await row(page, 'a_rather_long').tap();
    expect(await page.locator('#detail').boundingBox()).toMatchObject({ x: 0, y: 0, width: 390, height: 844 });
    expect(await page.evaluate(wide)).toBe(390);
    await page.getByRole('button', { name: 'Close' }).tap();
    expect(await page.locator('#detail').isVisible()).toBe(false);
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

/** Texts with less contrast to their background than WCAG AA requires. */
const LOW_CONTRAST = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const backgroundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] > 250) return color;
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor);
  };
  const luminance = (color) => {
    const [red, green, blue] = color.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  return [...document.body.querySelectorAll('*')].flatMap((element) => {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
    if (text === '' || !element.checkVisibility() || element.closest('script, style, noscript')) return [];
    const [one, other] = [luminance(rgba(getComputedStyle(element).color)), luminance(backgroundOf(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    return contrast < 4.5 ? [text.slice(0, 40) + ' ' + contrast.toFixed(1)] : [];
  });
})()`;
