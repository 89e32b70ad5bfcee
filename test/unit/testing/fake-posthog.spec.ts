import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { FakePostHog } from '../../../lib/testing/index.js';
import { capture, captureRequest, send, validEvent } from './wire-client.js';

let posthog: FakePostHog;
beforeEach(async () => {
  posthog = await FakePostHog.start();
});
afterEach(() => posthog.close());

describe('starting', () => {
  it('listens on a free port of the loopback address', () => {
    expect(posthog.port).toBeGreaterThan(0);
    expect(posthog.url).toBe(`http://127.0.0.1:${posthog.port}`);
  });

  it('fails if the port is in use, and succeeds once it is free', async () => {
    const { port } = posthog;
    await expect(FakePostHog.start({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await posthog.close();
    const next = await FakePostHog.start({ port });
    expect(next.port).toBe(port);
    await next.close();
  });
});

describe('closing', () => {
  it('closes hanging, delayed and slow requests and idle connections, and is idempotent', async () => {
    posthog.fail([{ hang: true }, { delayMs: 60_000 }, { reset: 'before', delayMs: 60_000 }, { slowBodyMs: 60_000 }]);
    const answers = [1, 2, 3, 4].map(() => capture(posthog, 'v0', [validEvent()]));
    const idle = connect(posthog.port, '127.0.0.1');
    const idleClosed = new Promise((resolve) => idle.on('close', resolve).on('error', () => undefined));
    await new Promise((resolve) => idle.on('connect', resolve));
    await posthog.waitForRequests(4);

    await Promise.all([posthog.close(), posthog.close()]);
    await posthog.close();
    const settled = await Promise.allSettled(answers);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
    await idleClosed;
    await expect(capture(posthog, 'v0', [validEvent()])).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('rejects pending waits, and keeps stored events readable', async () => {
    await capture(posthog, 'v0', [validEvent()]);
    const waiting = posthog.waitForEvents(2);
    const ended = expect(waiting).rejects.toThrow('FakePostHog was closed');
    await posthog.close();
    await ended;
    expect(posthog.events).toHaveLength(1);
    await expect(posthog.waitForEvents(1)).resolves.toHaveLength(1);
    await expect(posthog.waitForEvents(2)).rejects.toThrow('closed');
  });
});

describe('waiting', () => {
  it('resolves immediately if the condition already holds', async () => {
    await capture(posthog, 'v0', [validEvent(), validEvent()]);
    await expect(posthog.waitForEvents(2, { timeoutMs: 0 })).resolves.toBe(posthog.events);
    await expect(posthog.waitForRequests(1, { timeoutMs: 0 })).resolves.toBe(posthog.requests);
  });

  it('resolves as soon as the condition holds', async () => {
    const waits = Promise.all([
      posthog.waitForEvents(3),
      posthog.waitForRequests(2),
      posthog.waitFor(({ requests }) => requests.length === 2 && requests.every(({ status }) => status === 200)),
    ]);
    await capture(posthog, 'v0', [validEvent(), validEvent()]);
    await capture(posthog, 'v1', [validEvent()]);
    await waits;
    expect(posthog.events).toHaveLength(3);
  });

  it('rejects on timeout with a summary', async () => {
    await capture(posthog, 'v0', [validEvent({ event: 'page_view', distinct_id: 'user_9' })]);
    await capture(posthog, 'v0', [validEvent({ distinct_id: '' })]);
    posthog.fail({ hang: true });
    capture(posthog, 'v0', [validEvent()]).catch(() => undefined);
    await posthog.waitForRequests(3);
    await expect(posthog.waitForEvents(2, { timeoutMs: 10 })).rejects.toThrow(
      'Timed out after 10 ms waiting for 2 events. Events: 1 (page_view of user_9); ' +
        'requests: 3 (POST /batch/ 200, POST /batch/ 400, POST /batch/ no response); ' +
        'violations: 1 (distinct_id_blank: batch[0] "order_placed": distinct_id is blank)',
    );
    await expect(posthog.waitForRequests(4, { timeoutMs: 1 })).rejects.toThrow(
      'Timed out after 1 ms waiting for 4 requests',
    );
  });

  it('rejects with an error that the condition throws, immediately or later', async () => {
    const mistake = (): never => {
      throw new Error('a mistake');
    };
    await expect(posthog.waitFor(mistake)).rejects.toThrow('a mistake');
    const later = posthog.waitFor(({ events }) => events.length > 0 && mistake());
    const failed = expect(later).rejects.toThrow('a mistake');
    await capture(posthog, 'v0', [validEvent()]);
    await failed;
  });
});

describe('recorded data', () => {
  it('merges rows by UTC date, name, distinct id and uuid', async () => {
    const event = validEvent({ timestamp: '2024-05-01T00:30:00.000Z' });
    const batches = [
      event,
      event,
      { ...event, timestamp: '2024-05-01T23:59:59.999Z' },
      { ...event, timestamp: '2024-05-01T23:30:00.000-01:00' },
      { ...event, timestamp: '2024-05-02T00:30:00.000+01:00' },
      { ...event, event: 'other' },
      { ...event, distinct_id: 'other' },
    ];
    for (const one of batches) await capture(posthog, 'v0', [one]);
    expect(posthog.events).toHaveLength(7);
    // In UTC, the fourth event is of May 2nd, and the fifth of May 1st.
    expect(posthog.rows.map(({ requestIndex }) => requestIndex)).toEqual([0, 3, 5, 6]);
    expect(posthog.duplicates.map(({ requestIndex }) => requestIndex)).toEqual([1, 2, 4]);
  });

  it('includes requests that the client aborted', async () => {
    const socket = connect(posthog.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('POST /batch/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"batch"', () => socket.destroy());
    await posthog.waitForRequests(1);
    expect(posthog.requests).toMatchObject([{ aborted: true, status: null, text: null, events: 0 }]);
    expect(posthog.violations).toEqual([]);
  });

  it('is removed by clear(), which leaves returned arrays unchanged', async () => {
    await capture(posthog, 'v0', [validEvent(), validEvent({ distinct_id: ' x' })]);
    const { events, requests, violations } = posthog;
    posthog.clear();
    expect([events.length, requests.length, violations.length]).toEqual([2, 1, 1]);
    expect([posthog.events, posthog.requests, posthog.violations, posthog.rows]).toEqual([[], [], [], []]);
    await capture(posthog, 'v0', [validEvent()]);
    expect(posthog.requests[0]?.index).toBe(0);
  });

  it('is limited to maxRemembered', async () => {
    const small = await FakePostHog.start({ maxRemembered: 3 });
    try {
      for (let index = 0; index < 5; index++) {
        await capture(small, 'v0', [validEvent({ event: `wrong_${index}`, distinct_id: ' x' })]);
      }
      expect(small.events.map(({ event }) => event)).toEqual(['wrong_2', 'wrong_3', 'wrong_4']);
      expect(small.requests.map(({ index }) => index)).toEqual([2, 3, 4]);
      expect(small.violations.map(({ requestIndex }) => requestIndex)).toEqual([2, 3, 4]);
      await capture(small, 'v0', [validEvent(), validEvent()]);
      expect(small.requests.map(({ events }) => events)).toEqual([1, 2]);
    } finally {
      await small.close();
    }
  });
});

describe('onEvent', () => {
  it('calls the listener for each stored event until it is removed', async () => {
    const seen: string[] = [];
    const remove = posthog.onEvent(({ event }) => seen.push(event));
    await capture(posthog, 'v1', [validEvent({ event: 'a' }), validEvent({ event: '' }), validEvent({ event: 'b' })]);
    posthog.fail({ status: 500 });
    await capture(posthog, 'v0', [validEvent({ event: 'c' })]);
    remove();
    await capture(posthog, 'v0', [validEvent({ event: 'd' })]);
    expect(seen).toEqual(['a', 'b']);
  });

  it('reports a listener that throws as a violation, without affecting the response', async () => {
    posthog.onEvent(() => {
      throw new Error('a mistake');
    });
    expect((await capture(posthog, 'v0', [validEvent()])).status).toBe(200);
    expect(posthog.violations).toMatchObject([{ rule: 'callback_threw' }]);
  });
});

describe('concurrent requests', () => {
  it('over keep-alive connections are all stored', async () => {
    const requests = Array.from({ length: 40 }, () =>
      captureRequest(
        'v0',
        Array.from({ length: 100 }, () => validEvent()),
      ),
    );
    const answers = await Promise.all(requests.map((request) => send(posthog, request)));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(posthog.rows).toHaveLength(4000);
    expect(posthog.duplicates).toEqual([]);
    expect(posthog.violations).toEqual([]);
  });
});
