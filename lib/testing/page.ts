import { randomUUID } from 'node:crypto';
import { type RecordedRequest, type StoredEvent, type Violation } from './recorded.js';

/** What the page shows. */
export interface PageContent {
  readonly url: string;
  readonly events: readonly StoredEvent[];
  readonly requests: readonly RecordedRequest[];
  readonly violations: readonly Violation[];
  /** Changes with every change of the rest. */
  readonly version: number;
  /** Whether any API key will do. */
  readonly anyKey: boolean;
}

/** An HTML page and the headers that it must be sent with. */
export interface Page {
  readonly headers: Readonly<Record<string, string>>;
  readonly html: string;
}

const MAX_SHOWN = 200;
const REFRESH_MS = 2000;

const STYLE = `
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0 auto;max-width:60rem;padding:1rem}
h1{font-size:1.3rem;margin:0}
code,pre{font:.85rem/1.45 ui-monospace,monospace}
pre{overflow-x:auto;padding:.75rem;border-radius:.4rem;background:color-mix(in srgb,CanvasText 7%,Canvas)}
details{border-top:1px solid color-mix(in srgb,CanvasText 18%,Canvas);padding:.6rem 0}
summary{cursor:pointer;overflow-wrap:anywhere}
.quiet{color:color-mix(in srgb,CanvasText 65%,Canvas);font-size:.9rem;overflow-wrap:anywhere}
.wrong{border-left:.3rem solid #d33;padding:.2rem .8rem;overflow-wrap:anywhere}
.wrong ul{padding-left:1.2rem}`;

// Only <main> is replaced, and only when it changed: what the reader opened or selected stays.
const SCRIPT = `
setInterval(async () => {
  try {
    const answer = await fetch(location.href, { cache: 'no-store' });
    const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main');
    const now = document.querySelector('main');
    if (!next || next.dataset.version === now.dataset.version) return;
    const open = new Set([...now.querySelectorAll('details[open]')].map((one) => one.id));
    for (const one of next.querySelectorAll('details')) one.open = open.has(one.id);
    now.replaceWith(next);
  } catch {}
}, ${REFRESH_MS});`;

/** Renders the page of events, newest first. Everything that was received is escaped, and no script but the page's own may run. */
export function renderPage(content: PageContent): Page {
  const nonce = randomUUID();
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Local PostHog</title>
<link rel="icon" href="data:,">
<noscript><meta http-equiv="refresh" content="${REFRESH_MS / 1000}"></noscript>
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<main data-version="${content.version}">
<h1>Local PostHog</h1>
<p class="quiet">${summary(content)} · <a href="events">as JSON</a></p>
${violationList(content.violations)}
${content.events.length === 0 ? emptyState(content) : eventList(content.events)}
</main>
<script nonce="${nonce}">${SCRIPT}</script>
</body>
</html>
`;
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  };
  return { headers, html };
}

function summary({ events, requests }: PageContent): string {
  const shown = events.length > MAX_SHOWN ? `, the newest ${MAX_SHOWN} of them below` : '';
  return `${count(events.length, 'event')}${shown} · ${count(requests.length, 'request')}`;
}

function violationList(violations: readonly Violation[]): string {
  if (violations.length === 0) return '';
  const items = violations
    .slice(-20)
    .reverse()
    .map(({ rule, detail }) => `<li><code>${escapeHtml(rule)}</code> ${escapeHtml(detail)}</li>`);
  return `<section class="wrong"><strong>${count(violations.length, 'broken rule')}</strong> of PostHog's API<ul>${items.join('')}</ul></section>`;
}

function eventList(events: readonly StoredEvent[]): string {
  const newest = events.slice(-MAX_SHOWN).reverse();
  return newest.map((event) => eventDetails(event)).join('\n');
}

function eventDetails(event: StoredEvent): string {
  const { uuid, format } = event;
  // One uuid may stand here twice: with its request the id is one event's alone, and stays when others arrive.
  const id = `${uuid}-${event.requestIndex}`;
  const arrival = new Date(event.receivedAt).toISOString();
  return `<details id="${escapeHtml(id)}">
<summary><strong>${escapeHtml(event.event)}</strong> ${escapeHtml(event.distinct_id)} <time class="quiet">${escapeHtml(event.timestamp)}</time></summary>
<pre>${escapeHtml(JSON.stringify(event.properties, null, 2))}</pre>
<p class="quiet">${escapeHtml(uuid)} · ${format} · arrived ${arrival}${rootFields(event)}</p>
</details>`;
}

function rootFields({ options, session_id: sessionId }: StoredEvent): string {
  const fields = [
    ...(options === undefined ? [] : [`options ${JSON.stringify(options)}`]),
    ...(sessionId === undefined ? [] : [`session ${sessionId}`]),
  ];
  return fields.map((field) => ` · ${escapeHtml(field)}`).join('');
}

function emptyState({ url, anyKey }: PageContent): string {
  const key = anyKey ? 'phc_local' : '<the key this server was started with>';
  const now = new Date().toISOString();
  const event = { event: 'hello', distinct_id: 'me', uuid: randomUUID(), timestamp: now, properties: {} };
  const body = JSON.stringify({ api_key: key, batch: [event], sent_at: now });
  const curl = `curl ${url}/batch/ -H 'Content-Type: application/json' \\\n  -d '${body}'`;
  return `<p><strong>No event has arrived yet.</strong> Point an application here:</p>
<pre>${escapeHtml(`POSTHOG_HOST=${url}\nPOSTHOG_API_KEY=${key}`)}</pre>
<p>or send one from a terminal:</p>
<pre>${escapeHtml(curl)}</pre>
<p class="quiet">This page refreshes itself.</p>`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
