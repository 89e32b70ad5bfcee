import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { PATIENCE_MS } from './until.js';

const PATHS = [process.env.CHROMIUM ?? '', '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Undefined if Chromium is not installed. */
export const chromiumPath = PATHS.find((path) => path !== '' && existsSync(path));

export interface Looked {
  readonly page: Page;
  /** Dialogs, script errors, violations of the content security policy, requests to other origins. */
  readonly alarms: string[];
}

export function startChromium(): Promise<Browser> {
  return chromium.launch({
    timeout: PATIENCE_MS,
    ...(chromiumPath !== undefined && { executablePath: chromiumPath }),
    // The sandbox does not work for root and in many containers. Only pages of these tests are opened.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

export async function look(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Looked> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
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
