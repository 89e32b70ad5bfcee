import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LOCATION } from './location.js';

/** An HTML page and its response headers. */
export interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Plain scripts in one scope, in order of their dependencies. */
const SCRIPTS = [
  'text.js',
  'charts.js',
  'names.js',
  'table.js',
  'preview.js',
  'list.js',
  'stack.js',
  'definition.js',
  'detail.js',
  'catalog.js',
  'connection.js',
  'main.js',
];

/** Headers of every response of the live view. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store, no-transform',
  'x-content-type-options': 'nosniff',
  // The stream is served to this page only: see request-origin.ts.
  'referrer-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/**
 * Assembles the files in `page/` into one document that loads nothing else. Its Content-Security-Policy allows only its own script and
 * style, and no framing.
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
