import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { type CaptureFormat, type FakePostHog } from '../../../lib/testing/index.js';

export type Json = Record<string, unknown>;

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: unknown;
}

/** Undefined headers are omitted. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Buffer;
  readonly signal?: AbortSignal;
}

/** Sends the request unchanged, on a new connection. */
export function send(
  posthog: FakePostHog,
  { method = 'POST', path, headers = {}, body, signal }: RawRequest,
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
    const outgoing = httpRequest(
      { host: '127.0.0.1', port: posthog.port, method, path, headers: given, agent: false, signal },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: tryParse(text) });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** An event that is valid in both formats. Undefined fields are omitted. */
export function validEvent(fields: Json = {}): Json {
  return {
    uuid: randomUUID(),
    event: 'order_placed',
    distinct_id: 'user_1',
    timestamp: new Date().toISOString(),
    properties: { total: 42 },
    ...fields,
  };
}

const PATHS = { v0: '/batch/', v1: '/i/v1/analytics/events' };
const AI_PATHS = { v0: '/i/v0/ai/batch/', v1: '/i/v1/ai/events' };

/** A request that is valid if its arguments are. */
export function captureRequest(
  format: CaptureFormat,
  batch: unknown,
  {
    root = {},
    headers = {},
    gzip = false,
    ai = false,
  }: { root?: Json; headers?: Record<string, string | undefined>; gzip?: boolean; ai?: boolean } = {},
): RawRequest {
  const now = new Date().toISOString();
  const body = JSON.stringify(
    format === 'v0' ? { api_key: 'phc_test', batch, sent_at: now, ...root } : { created_at: now, batch, ...root },
  );
  return {
    path: ai ? AI_PATHS[format] : PATHS[format],
    headers: {
      'content-type': 'application/json',
      'user-agent': 'test/1.0.0',
      ...(gzip ? { 'content-encoding': 'gzip' } : {}),
      ...(format === 'v1'
        ? {
            authorization: 'Bearer phc_test',
            'posthog-sdk-info': 'test/1.0.0',
            'posthog-attempt': '1',
            'posthog-request-id': randomUUID(),
            'posthog-request-timestamp': now,
          }
        : {}),
      ...headers,
    },
    body: gzip ? gzipSync(body) : body,
  };
}

/** A valid request for the flags of `user_1`, if `fields` are valid. Undefined fields are omitted. */
export function flagsRequest(fields: Json = {}): RawRequest {
  const body = {
    token: 'phc_test',
    distinct_id: 'user_1',
    groups: {},
    person_properties: {},
    group_properties: {},
    geoip_disable: true,
    evaluation_runtime: 'server',
    ...fields,
  };
  return {
    path: '/flags/?v=2',
    headers: { 'content-type': 'application/json', 'user-agent': 'test/1.0.0' },
    body: JSON.stringify(body),
  };
}

export function capture(
  posthog: FakePostHog,
  format: CaptureFormat,
  batch: unknown,
  extras?: Parameters<typeof captureRequest>[2],
): Promise<RawResponse> {
  return send(posthog, captureRequest(format, batch, extras));
}

/** Names of the violated rules, without duplicates. */
export function violatedRules(posthog: FakePostHog): string[] {
  return [...new Set(posthog.violations.map(({ rule }) => rule))];
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
