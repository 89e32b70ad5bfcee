import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LOCATION } from './location.js';

/** An HTML page and the headers that it must be sent with. */
export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Plain scripts that share one scope; each uses those before it. */
const SCRIPTS = ['text.js', 'charts.js', 'names.js', 'list.js', 'detail.js', 'connection.js', 'main.js'];

/** What every answer of the live view carries. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store, no-transform',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

/**
 * Puts the page together from the files in `page/`: one document that loads nothing, in which no script and no style runs but
 * its own, and which no other page may frame.
 */
export function assemblePage(): Page {
  const style = read('page.css');
  const script = `(() => {\n'use strict';\n${SCRIPTS.map(read).join('\n')}})();`;
  const html = read('page.html')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script></script>', () => `<script>${script}</script>`);
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  const headers = {
    ...SAFE_HEADERS,
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    'cross-origin-opener-policy': 'same-origin',
  };
  return { html, headers };
}

function read(name: string): string {
  const here = dirname(LOCATION.startsWith('file:') ? fileURLToPath(LOCATION) : LOCATION);
  return readFileSync(join(here, 'page', name), 'utf8');
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
