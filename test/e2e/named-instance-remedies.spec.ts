import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, expect, it } from '@jest/globals';
import { type CaptureService, getCaptureToken, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { PostHogCaptureHealthIndicator, PostHogCaptureHealthModule } from 'nestjs-posthog-capture/health';
import { type Fault } from 'nestjs-posthog-capture/testing';
import { captureMany, closeAll, KEY, onClose, startPostHog, watchedOptions } from '../support/harness.js';

afterEach(closeAll);

/** An instance `billing`, whose variables begin with POSTHOG_BILLING_, after a flush that failed. */
async function failingBilling(fault: Fault) {
  const posthog = await startPostHog();
  const lines: string[] = [];
  const options = { name: 'billing', apiKey: KEY, host: posthog.url, maxRetries: 0, coolDownMs: 60_000 };

  @Module({
    imports: [
      PostHogCaptureModule.forRoot({ ...options, shutdownTimeoutMs: 0, ...watchedOptions({}, lines) }),
      PostHogCaptureHealthModule,
    ],
  })
  class AppModule {}

  const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
  onClose(() => app.close());
  const capture = app.get<CaptureService>(getCaptureToken('billing'));
  posthog.failAlways(fault);
  captureMany(capture, 40);
  await capture.flush();
  const indicator = app.get(PostHogCaptureHealthIndicator);
  const health: unknown = await Promise.resolve(indicator.check('billing', { name: 'billing' })).catch(
    (error: unknown) => (error as { causes?: unknown }).causes,
  );
  return { log: lines.join('\n'), lastFailure: capture.stats().lastFailure?.remedy, health: JSON.stringify(health) };
}

it.each<[string, Fault, string]>([
  ['refuses every event', { status: 400 }, 'POSTHOG_BILLING_HOST'],
  ['is not PostHog', { status: 404 }, 'POSTHOG_BILLING_HOST'],
  ['responds with a page', { status: 200, body: '<!doctype html>' }, 'POSTHOG_BILLING_HOST'],
  ['does not know the key', { status: 401 }, 'POSTHOG_BILLING_API_KEY'],
  ['cannot be reached', { reset: 'before' }, 'POSTHOG_BILLING_HOST'],
])('a server that %s: log, stats() and health name the variable of the instance', async (_, fault, variable) => {
  const named = await failingBilling(fault);
  for (const text of Object.values(named)) {
    expect(text).toContain(variable);
    expect(text).not.toMatch(/POSTHOG_(HOST|API_KEY)/);
  }
});
