import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const PATHS = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where the Chromium of this machine is, if it has one. */
export const chromiumPath = PATHS.find((path) => path !== '' && existsSync(path));

/** A page in a browser, and everything about it that should not have happened. */
export interface Looked {
  readonly page: Page;
  /** Dialogs, errors of scripts, violations of the policy, requests to other addresses. */
  readonly alarms: string[];
}

export function startChromium(): Promise<Browser> {
  return chromium.launch({
    ...(chromiumPath !== undefined && { executablePath: chromiumPath }),
    // There is no sandbox for root, nor in many containers; nothing but pages of these tests is opened.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

/** Opens an address, and watches. */
export async function look(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Looked> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const alarms: string[] = [];
  page.on('dialog', (dialog) => {
    alarms.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('pageerror', (error) => alarms.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') alarms.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin && !request.url().startsWith('data:'))
      alarms.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return { page, alarms };
}
