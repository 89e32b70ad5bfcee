// A small application that boots, serves requests, captures and ends. Prints nothing on success.
import 'reflect-metadata';
import { deepEqual, equal, ok } from 'node:assert/strict';
import { type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CaptureService } from 'nestjs-posthog-capture';
import { FakePostHog, type StoredEvent } from 'nestjs-posthog-capture/testing';
import { AppModule, ByType, seenAt } from './app.module.js';

/**
 * Expectations: `HTTP` is Express or Fastify, `BUILD` is esm or cjs, `METADATA` is set if the compiler emits decorator metadata, and
 * `DENIALS` is set if this version of Nest reports the handler of a denied request.
 */
const { HTTP, BUILD, METADATA, DENIALS } = process.env;

async function main(): Promise<void> {
  const posthog = await FakePostHog.start();
  process.env.POSTHOG_HOST = posthog.url;
  process.env.POSTHOG_API_KEY = 'phc_default';
  const app = await create();
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  equal(app.getHttpAdapter().getType(), HTTP?.toLowerCase());

  equal((await post(`${url}/purchases/tea`, { 'x-user': 'ann' })).status, 201);
  equal((await post(`${url}/purchases/tea`)).status, 403);
  const answer = await post(`${url}/capture`, {}, { event: 'page_view', distinct_id: 'user_123' });
  equal(await answer.text(), '{"success":true,"event":"page_view","distinct_id":"user_123","error":null}');
  equal((await post(`${url}/capture`, {}, { event: 'page_view' })).status, 400);
  equal(app.get('alias'), app.get(CaptureService));
  if (METADATA) equal(app.get(ByType).posthog, app.get(CaptureService));
  await app.close();

  deepEqual(posthog.violations, []);
  deepEqual(posthog.events.map(summary).sort(), [
    'invoice_written of customer_1',
    'page_view of user_123',
    'product_purchased of ann',
    'purchase_requested of ann: success, 3',
    ...(DENIALS ? ['purchase_requested of nobody: denied'] : []),
  ]);
  await posthog.close();
  ok(seenAt.size > 0);
  for (const stack of seenAt)
    ok(stack.includes(`nestjs-posthog-capture/dist/${BUILD}/`), `not the build ${BUILD}: ${stack}`);
}

async function create(): Promise<INestApplication> {
  if (HTTP !== 'Fastify') return NestFactory.create(AppModule, { logger: ['warn', 'error'] });
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return NestFactory.create(AppModule, new FastifyAdapter(), { logger: ['warn', 'error'] });
}

function post(url: string, headers: Record<string, string> = {}, body: object = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close', ...headers },
    body: JSON.stringify(body),
  });
}

function summary({ event, distinct_id, properties }: StoredEvent): string {
  const who = properties.$process_person_profile === false ? 'nobody' : distinct_id;
  const details = [properties.$outcome, properties.price].filter((value) => value !== undefined).map(String);
  return `${event} of ${who}${details.length > 0 ? `: ${details.join(', ')}` : ''}`;
}

void main();
