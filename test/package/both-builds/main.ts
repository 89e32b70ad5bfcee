// An ES module application with a CommonJS part, so that both builds of the package run in one process. Prints nothing on success.
import 'reflect-metadata';
import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CaptureService, PostHogCaptureModule, TrackEvent } from 'nestjs-posthog-capture';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import * as feature from './feature.cjs';

const posthog = await FakePostHog.start();

@Module({ imports: [PostHogCaptureModule.forRoot({ apiKey: 'phc_test', host: posthog.url }), feature.FeatureModule] })
class AppModule {}

notEqual(feature.TrackEvent, TrackEvent, 'there is only one build in this process');
equal(feature.CaptureService, CaptureService);

const app = await NestFactory.createApplicationContext(AppModule, { logger: ['warn', 'error'] });
const service = app.get(feature.FeatureService);
equal(service.posthog, app.get(CaptureService));
service.posthog.withContext({ distinctId: 'ann' }, () => service.use());
await app.close();

deepEqual(posthog.events.map(({ event, distinct_id }) => `${event} of ${distinct_id}`).sort(), [
  'feature_detail of ann',
  'feature_used of ann',
]);
await posthog.close();
