import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { boot, closeAll, expectBalanced, onClose } from '../support/harness.js';

afterEach(closeAll);

interface BatchBody {
  readonly batch: readonly { readonly uuid: string }[];
}

type Answer = (response: ServerResponse, uuids: readonly string[]) => unknown;

/** Answers each request with the next function, and those after the last with the last. Returns the requests. */
async function serve(...answers: Answer[]): Promise<{ host: string; requests: string[][] }> {
  const requests: string[][] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { batch } = JSON.parse(Buffer.concat(chunks).toString()) as BatchBody;
      requests.push(batch.map(({ uuid }) => uuid));
      const answer = answers[requests.length - 1] ?? answers.at(-1);
      answer?.(response, requests.at(-1) ?? []);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onClose(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { host: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

const json = (response: ServerResponse, body: unknown, status = 200): unknown =>
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
const page = (response: ServerResponse): unknown =>
  response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Log in</title>');
const text =
  (body: string, status = 200): Answer =>
  (response) =>
    response.writeHead(status, { 'Content-Type': 'text/plain' }).end(body);
const results = (uuids: readonly string[], result: unknown): object => ({
  results: Object.fromEntries(uuids.map((uuid) => [uuid, result])),
});
const stored: Answer = (response, uuids) => json(response, results(uuids, { result: 'ok' }));

/** Node's own client, and axios. */
const CLIENTS = [
  ['node', {}],
  ['axios', { http: {} }],
] as const;
const COMMON = { compression: 'none', coolDownMs: 60_000, shutdownTimeoutMs: 50 } as const;

/** A response that never ends is waited for until the time limit. */
const limitFor = (what: string): object => (what.includes('never ends') ? { requestTimeoutMs: 1500 } : {});

describe.each(CLIENTS)('v0, %s', (_name, client) => {
  it.each<[string, Answer]>([
    ['{"status":"Ok"}', (response) => json(response, { status: 'Ok' })],
    ['{"status":1}', (response) => json(response, { status: 1 })],
    ['{"status": 1} as text, with a line break', text('{"status": 1}\n')],
    ['{"status":"Ok","quota_limited":[…]}', (response) => json(response, { status: 'Ok', quota_limited: ['x'] })],
    ['{}', (response) => json(response, {})],
    ['1', text('1')],
    ['nothing', (response) => response.writeHead(200, { 'Content-Length': 0 }).end()],
    [
      'a part of its JSON',
      (response) => {
        response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 15 });
        response.write('{"sta', () => response.destroy());
      },
    ],
  ])('delivers if the 200 contains %s', async (_what, answer) => {
    const { host, requests } = await serve(answer);
    const { capture } = await boot({ host, ...client, ...COMMON });
    capture.capture({ event: 'page_view', distinctId: 'user_123' });
    expect(await capture.flush()).toMatchObject({ delivered: 1, pending: 0, error: null });
    expect(JSON.stringify(await capture.captureNow({ event: 'page_view', distinctId: 'user_123' }))).toBe(
      '{"success":true,"event":"page_view","distinct_id":"user_123","error":null}',
    );
    expect(requests).toHaveLength(2);
  });

  it.each<[string, number, Answer]>([
    ['a page', 200, page],
    [
      'a page that never ends',
      200,
      (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).write('<!doctype html>'),
    ],
    [
      'the beginning of a page without a type',
      200,
      (response) => response.writeHead(200, { 'Content-Length': 99 }).write('<html>', () => response.destroy()),
    ],
    ['a page of two megabytes', 200, text(`<html>${'x'.repeat(2_000_000)}`)],
    ['plain text', 200, text('OK')],
    ['XML', 200, text('<?xml version="1.0"?><ok/>')],
    ['{"status":0}', 200, (response) => json(response, { status: 0 })],
    ['{"status":"error"}', 200, (response) => json(response, { status: 'error' })],
    ['another JSON object', 200, (response) => json(response, { message: 'Not Found' })],
    ['a JSON array', 200, (response) => json(response, [])],
    ['null', 200, (response) => json(response, null)],
    ['false', 200, (response) => json(response, false)],
    ['no content', 204, (response) => response.writeHead(204).end()],
    ['a part', 206, (response) => json(response, { status: 1 }, 206)],
    ['an accepted job', 202, (response) => json(response, { status: 1 }, 202)],
  ])('keeps the events if the response is %s: %i', async (what, status, answer) => {
    const { host, requests } = await serve(answer, (response) => json(response, { status: 'Ok' }));
    const { capture, lines } = await boot({ host, ...client, ...COMMON, ...limitFor(what) });
    capture.capture({ event: 'page_view', distinctId: 'user_123' });
    const error = `PostHog API error: HTTP ${status}, but the response is not from PostHog`;
    expect(await capture.flush()).toEqual({ delivered: 0, pending: 1, dropped: {}, error });
    expect(lines.join('\n')).toMatch(/^PostHog API error: HTTP \d+, but .* Remedy: check POSTHOG_HOST: another server/);
    expect(capture.stats()).toMatchObject({
      lastFailure: { refusesAll: true },
      requests: { byStatus: { [status]: 1 } },
    });
    expectBalanced(capture);
    expect(await capture.flush()).toMatchObject({ delivered: 1, pending: 0 });
    expect(requests[1]).toEqual(requests[0]);
  });

  it('captureNow fails if the response is a page', async () => {
    const { host, requests } = await serve(page);
    const { capture } = await boot({ host, ...client, ...COMMON });
    expect(await capture.captureNow({ event: 'page_view', distinctId: 'user_123' })).toMatchObject({
      success: false,
      error: 'PostHog API error: HTTP 200, but the response is not from PostHog',
    });
    expect(requests).toHaveLength(1);
    expect(capture.stats()).toMatchObject({ delivered: 0, droppedByReason: { undelivered: 1 } });
  });
});

/** Responses of v1 in which no event has a readable result. */
const UNREADABLE: [string, Answer][] = [
  ['a page', page],
  ['no content', (response) => response.writeHead(204).end()],
  ['nothing', (response) => response.writeHead(200, { 'Content-Length': 0 }).end()],
  ['a v0 response', (response) => json(response, { status: 1 })],
  ['no results', (response) => json(response, { results: {} })],
  ['a list of results', (response, uuids) => json(response, { results: uuids.map(() => ({ result: 'ok' })) })],
  ['results that are words', (response, uuids) => json(response, results(uuids, 'ok'))],
  ['results without a word', (response, uuids) => json(response, results(uuids, { result: 1 }))],
  ['results with a blank word', (response, uuids) => json(response, results(uuids, { result: ' ' }))],
  ['results of others', (response) => json(response, results([crypto.randomUUID()], { result: 'ok' }))],
  ['results with status 206', (response, uuids) => json(response, results(uuids, { result: 'ok' }), 206)],
  [
    'JSON that breaks off',
    (response, uuids) => {
      const body = JSON.stringify(results(uuids, { result: 'ok' }));
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
      response.write(body.slice(0, -1), () => response.destroy());
    },
  ],
  [
    'complete JSON of which the connection promised more',
    (response, uuids) => {
      const body = JSON.stringify(results(uuids, { result: 'ok' }));
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length + 1 });
      response.write(body, () => response.destroy());
    },
  ],
  ['JSON that never ends', (response) => response.writeHead(200).write('{"results":{')],
  [
    'gzip that is cut',
    (response, uuids) => {
      const body = gzipSync(JSON.stringify(results(uuids, { result: 'ok' })));
      response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(body.subarray(0, -12));
    },
  ],
];

describe.each(CLIENTS)('v1, %s', (_name, client) => {
  const options = { captureMode: 'v1', maxRetries: 1, ...client, ...COMMON } as const;

  it.each(UNREADABLE)('sends again after %s', async (what, answer) => {
    const { host, requests } = await serve(answer, stored);
    const { capture } = await boot({ host, ...options, ...limitFor(what) });
    capture.capture({ event: 'first', distinctId: 'a' });
    capture.capture({ event: 'second', distinctId: 'b' });
    expect(await capture.flush()).toMatchObject({ delivered: 2, pending: 0, error: null });
    expect(requests).toHaveLength(2);
    expect(requests[1]).toEqual(requests[0]);
    expect(capture.stats().retries).toBe(1);
    expectBalanced(capture);
  });

  it('keeps the events after maxRetries', async () => {
    const { host, requests } = await serve(page, page, stored);
    const { capture, lines } = await boot({ host, ...options });
    capture.capture({ event: 'page_view', distinctId: 'user_123' });
    const error = 'PostHog API error: HTTP 200 without a result for each event';
    expect(await capture.flush()).toEqual({ delivered: 0, pending: 1, dropped: {}, error });
    expect(requests).toHaveLength(2);
    expect(lines.join('\n')).toContain('check POSTHOG_HOST and any proxy in between, or set POSTHOG_CAPTURE_MODE=v0');
    expect(await capture.flush()).toMatchObject({ delivered: 1, pending: 0 });
    expectBalanced(capture);
  });

  it('captureNow fails after maxRetries', async () => {
    const { host, requests } = await serve(page);
    const { capture } = await boot({ host, ...options });
    expect(await capture.captureNow({ event: 'page_view', distinctId: 'user_123' })).toMatchObject({
      success: false,
      error: 'PostHog API error: HTTP 200 without a result for each event',
    });
    expect(requests).toHaveLength(2);
  });

  it('sends only the events without a result again', async () => {
    const { host, requests } = await serve(
      (response, [first = '']) => json(response, { results: { [first]: { result: 'ok' }, other: null } }),
      stored,
    );
    const { capture } = await boot({ host, ...options });
    capture.capture({ event: 'first', distinctId: 'a' });
    capture.capture({ event: 'second', distinctId: 'b' });
    expect(await capture.flush()).toMatchObject({ delivered: 2, pending: 0 });
    expect(requests[1]).toEqual(requests[0]?.slice(1));
  });
});
