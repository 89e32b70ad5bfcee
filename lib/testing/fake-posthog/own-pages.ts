import { type IncomingMessage, type ServerResponse } from 'node:http';
import { LiveView } from '../../live/live-view.js';
import { hasLoopbackHost, isForeign } from '../../live/request-origin.js';
import { type PageParts, pageSource } from './page.js';

/** Paths that show events, and are therefore served to local clients only. */
const OWN_PAGES = new Set(['/', '/stream', '/event', '/events']);
/** Read by the page, not opened. */
const PAGE_DATA = new Set(['/stream', '/event']);

/** The live page of a local PostHog, and its stored events as JSON. */
export class OwnPages {
  readonly #parts: () => PageParts;
  #view: LiveView | null = null;

  /** @param parts called when the page is first opened */
  constructor(parts: () => PageParts) {
    this.#parts = parts;
  }

  /** Returns false for a request to PostHog's API. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    const [path = '', query] = request.url?.split('?', 2) ?? [];
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!isRead) return false;
    if (path === '/favicon.ico') {
      response.writeHead(204).end();
      return true;
    }
    if (!OWN_PAGES.has(path) || (path === '/stream' && request.method === 'HEAD')) return false;
    if (!hasLoopbackHost(request)) {
      response.writeHead(403).end('This page is available at localhost and 127.0.0.1 only.');
    } else if (isForeign(request, PAGE_DATA.has(path) ? 'data' : 'page')) {
      response.writeHead(403).end('This page is not available to other sites, nor in frames.');
    } else {
      this.#show(path, query, response);
    }
    return true;
  }

  close(): void {
    this.#view?.close();
  }

  #show(path: string, query: string | undefined, response: ServerResponse): void {
    const parts = this.#parts();
    if (path === '/events') {
      const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
      response.writeHead(200, headers).end(JSON.stringify([...parts.memory.events].reverse(), null, 2));
      return;
    }
    const view = (this.#view ??= new LiveView(pageSource(parts)));
    if (path === '/') view.servePage(response);
    else if (path === '/stream') view.serveStream(response);
    else view.serveEvent(new URLSearchParams(query).get('id') ?? '', response);
  }
}
