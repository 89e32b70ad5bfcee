import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type EventFeed } from '../../lib/live/event-feed.js';
import { LiveView, type LiveViewOptions } from '../../lib/live/live-view.js';
import { type LiveLayout } from '../../lib/live/messages.js';
import { closeAll, onClose } from '../support/harness.js';
import { type LiveMessage, openStream } from '../support/live-stream.js';
import { until } from '../support/until.js';

const LAYOUT: LiveLayout = {
  title: 'Test',
  about: '',
  fates: [{ id: 'seen', label: 'seen', tone: 'good', isFinal: true }],
  charts: [],
  counters: [],
  hint: { title: '', parts: [] },
};

/** A live view on a Node server, with a source that counts its probes. */
async function serveView(options?: LiveViewOptions) {
  let feed: EventFeed | null = null;
  let attached = 0;
  const view = new LiveView(
    {
      layout: LAYOUT,
      attach: (attachedFeed) => {
        feed = attachedFeed;
        attached += 1;
        return {
          state: () => ({ tone: 'good', text: 'fine', nextAt: null }),
          sample: () => ({ count: 1 }),
          detach: () => void (feed = null),
        };
      },
    },
    options,
  );
  const server: Server = createServer((_, response) => view.serveStream(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onClose(async () => {
    view.close();
    if (!server.listening) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    server,
    view,
    get feed() {
      return feed;
    },
    get attached() {
      return attached;
    },
    until,
  };
}

const add = (feed: EventFeed | null, id: string, text = '{}'): void =>
  feed?.add({ id, name: id, text, bytes: text.length, at: 0 }, 'seen');

describe('the live view', () => {
  afterEach(closeAll);

  it('observes its source while pages are open and shortly after, then starts over', async () => {
    const served = await serveView({ lingerMs: 30 });
    expect(served.feed).toBeNull();
    const [one, two] = [await openStream(served.url), await openStream(served.url)];
    const { data } = await one.until(({ kind }) => kind === 'snapshot');
    await two.until(({ kind }) => kind === 'snapshot');
    expect(served.attached).toBe(1);
    add(served.feed, 'a');
    await two.until((message) => message.kind === 'update' && (message.data.added ?? []).length > 0);
    one.close();
    two.close();
    await served.until(() => served.feed === null);
    const again = await openStream(served.url);
    const snapshot = await again.until(({ kind }) => kind === 'snapshot');
    expect(snapshot.data.events).toEqual([]);
    expect(snapshot.data.run).not.toBe(data.run);
    expect(served.attached).toBe(2);
  });

  it('keeps events for a page that is reloaded', async () => {
    const served = await serveView();
    const one = await openStream(served.url);
    await one.until(({ kind }) => kind === 'snapshot');
    add(served.feed, 'a');
    one.close();
    const two = await openStream(served.url);
    expect((await two.until(({ kind }) => kind === 'snapshot')).data.events).toMatchObject([{ id: 'a' }]);
    expect(served.attached).toBe(1);
  });

  it('sends each event to each viewer once', async () => {
    const served = await serveView();
    const one = await openStream(served.url);
    await one.until(({ kind }) => kind === 'snapshot');
    add(served.feed, 'a');
    const two = await openStream(served.url);
    await two.until(({ kind }) => kind === 'snapshot');
    add(served.feed, 'b');
    for (const stream of [one, two]) {
      await stream.until(({ data }) => data.added?.some(({ id }) => id === 'b'));
      const seen = stream.messages.flatMap(({ data }) => [...(data.events ?? []), ...(data.added ?? [])]);
      expect(seen.map(({ id }) => id)).toEqual(['a', 'b']);
    }
  });

  it('sends a sample every second', async () => {
    const served = await serveView();
    const stream = await openStream(served.url);
    await stream.until(({ kind, data }) => kind === 'update' && data.sample?.count === 1);
  });

  it('accepts ten viewers and refuses the eleventh with a reason', async () => {
    const served = await serveView();
    const streams = await Promise.all(Array.from({ length: 10 }, () => openStream(served.url)));
    const refused = await fetch(served.url);
    expect([refused.status, await refused.text()]).toEqual([503, '10 pages are already open.']);
    streams[0]?.close();
    let status = 503;
    for (let tries = 0; status !== 200 && tries < 100; tries++) {
      const { response, close } = await openStream(served.url);
      ({ status } = response);
      if (status !== 200) close();
    }
    expect(status).toBe(200);
  });

  it('does not count viewers that disconnected before the response', async () => {
    const served = await serveView();
    const gone = await new Promise<ServerResponse>((resolve) => {
      served.server.prependOnceListener('request', (_request, response) => {
        response.once('close', () => resolve(response));
        response.destroy();
      });
      fetch(served.url).catch(() => undefined);
    });
    for (let count = 0; count < 10; count += 1) served.view.serveStream(gone);
    const { response } = await openStream(served.url);
    expect([response.status, served.attached]).toEqual([200, 1]);
  });

  it('sends no updates to a viewer that does not read, and a snapshot when it reads again', async () => {
    const served = await serveView({ maxEvents: 300 });
    const slow = await new Promise<IncomingMessage>((resolve) => get(served.url, resolve));
    slow.pause();
    const quick = await openStream(served.url);
    await quick.until(({ kind }) => kind === 'snapshot');
    const text = JSON.stringify({ filler: 'x'.repeat(8000) });
    const holds = (id: string) => (message: LiveMessage) =>
      [...(message.data.added ?? []), ...(message.data.events ?? [])].some((one) => one.id === id);
    // Enough to fill the slow viewer's socket and exceed the limit.
    for (let round = 0; round < 6; round++) {
      for (let index = 0; index < 300; index++) add(served.feed, `${round}.${index}`, text);
      await quick.until(holds(`${round}.299`));
    }
    add(served.feed, 'last');
    await quick.until(holds('last'));
    let received = '';
    slow.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
    slow.resume();
    await served.until(
      () => received.endsWith('\n\n') && received.split('event: snapshot').at(-1)?.includes('"last"') === true,
    );
    expect(received.match(/event: snapshot/g)).toHaveLength(2);
    const rounds = new Set([...received.matchAll(/"id":"(\d+)\.\d+"/g)].map(([, round]) => round));
    expect(rounds.size).toBeLessThan(6);
    slow.destroy();
  });

  it('ends all streams on close, even those that are not read', async () => {
    const served = await serveView();
    const reader = await openStream(served.url);
    await reader.until(({ kind }) => kind === 'snapshot');
    const stalled = await new Promise<IncomingMessage>((resolve) => get(served.url, resolve));
    stalled.pause().on('error', () => undefined);
    const text = JSON.stringify({ filler: 'x'.repeat(8000) });
    for (let index = 0; index < 500; index++) add(served.feed, `${index}`, text);
    await reader.until(({ data }) => data.added?.some(({ id }) => id === '499'));
    served.view.close();
    expect(served.feed).toBeNull();
    await new Promise((resolve) => served.server.close(resolve));
    await reader.ended;
    stalled.destroy();
  });

  it('opens no stream after close', async () => {
    const served = await serveView();
    served.view.close();
    expect((await fetch(served.url)).status).toBe(503);
  });
});
