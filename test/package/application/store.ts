// Starts an application with a store twice: the second run sends the events that the first could not. Prints nothing on success.
import 'reflect-metadata';
import { deepEqual, equal } from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CaptureService, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { fileEventStore } from 'nestjs-posthog-capture/store';
import { FakePostHog } from 'nestjs-posthog-capture/testing';

async function main(): Promise<void> {
  const posthog = await FakePostHog.start();
  const path = await mkdtemp(join(tmpdir(), 'posthog-store-'));
  // As an object and as a path, which loads the store automatically.
  const stores = { object: fileEventStore({ path }), path };

  posthog.failAlways({ status: 503 });
  const first = await boot(posthog.url, stores.object);
  const uuid = first.get(CaptureService).capture({ event: 'order_placed', distinctId: 'user_1' });
  await first.close();
  equal(posthog.events.length, 0);

  posthog.failAlways(null);
  const second = await boot(posthog.url, stores.path);
  equal(second.get(CaptureService).stats().recovered, 1);
  await second.close();
  deepEqual(
    posthog.rows.map((row) => row.uuid),
    [uuid],
  );
  await posthog.close();
  await rm(path, { recursive: true });
}

function boot(host: string, store: string | ReturnType<typeof fileEventStore>): Promise<INestApplicationContext> {
  const module = PostHogCaptureModule.forRoot({ apiKey: 'phc_test', host, store, shutdownTimeoutMs: 500 });
  return NestFactory.createApplicationContext(module, { logger: ['error'] });
}

void main();
