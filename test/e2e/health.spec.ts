import { type INestApplication } from '@nestjs/common';
import { Controller, Get, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import * as terminus from '@nestjs/terminus';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CaptureService,
  getCaptureToken,
  PostHogCaptureModule,
  type PostHogCaptureModuleOptions,
} from 'nestjs-posthog-capture';
import { PostHogCaptureHealthIndicator, PostHogCaptureHealthModule } from 'nestjs-posthog-capture/health';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { MemoryEventStore } from '../support/memory-event-store.js';
import { CANARY } from '../support/secrets.js';
import { captureMany, closeAll, KEY, onClose, startPostHog, watchedOptions } from '../support/harness.js';

afterEach(closeAll);

/** Terminus 12 has a status for it; earlier versions get `up`. */
const DEGRADED = 'HealthCheckError' in terminus ? { all: 'ok', one: 'up' } : { all: 'degraded', one: 'degraded' };

@Controller('health')
class HealthController {
  constructor(
    @Inject(terminus.HealthCheckService) private readonly health: terminus.HealthCheckService,
    @Inject(PostHogCaptureHealthIndicator) private readonly posthog: PostHogCaptureHealthIndicator,
  ) {}

  @Get()
  live(): unknown {
    return this.health.check([() => this.posthog.check()]);
  }

  @Get('strict')
  strict(): unknown {
    return this.health.check([() => this.posthog.check('events', { failWhenDegraded: true })]);
  }

  @Get('billing')
  billing(): unknown {
    return this.health.check([() => this.posthog.check('billing', { name: 'billing', maxPendingAgeMs: 20 })]);
  }
}

interface Report {
  readonly code: number;
  readonly text: string;
  readonly status: string;
  readonly details: Readonly<Record<string, { readonly health: string; readonly problems: readonly object[] }>>;
}

interface Probed {
  readonly app: INestApplication;
  readonly posthog: FakePostHog;
  readonly capture: CaptureService;
  probe(path?: string): Promise<Report>;
}

/** An application with a health endpoint. */
async function startProbed({ store, ...options }: PostHogCaptureModuleOptions = {}): Promise<Probed> {
  const posthog = await startPostHog();
  const settings = {
    apiKey: KEY,
    host: posthog.url,
    flushIntervalMs: 60_000,
    flushAt: 500,
    coolDownMs: 60_000,
    maxRetries: 0,
    ...watchedOptions(options, []),
  };
  @Module({
    imports: [
      PostHogCaptureModule.forRoot({ ...settings, ...(store !== undefined && { store }) }),
      PostHogCaptureModule.forRoot({ ...settings, name: 'billing' }),
      PostHogCaptureHealthModule,
      terminus.TerminusModule.forRoot({ logger: false }),
    ],
    controllers: [HealthController],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  await app.listen(0, '127.0.0.1');
  onClose(() => app.close());
  const url = await app.getUrl();
  const probe = async (path = ''): Promise<Report> => {
    const response = await fetch(`${url}/health${path}`);
    const text = await response.text();
    expect(text).not.toContain(KEY);
    expect(text).not.toContain(CANARY);
    return { code: response.status, text, ...(JSON.parse(text) as Pick<Report, 'status' | 'details'>) };
  };
  return { app, posthog, capture: app.get(CaptureService), probe };
}

it('is up, with statistics, while events are delivered', async () => {
  const { capture, probe } = await startProbed();
  captureMany(capture, 3);
  await capture.flush();
  captureMany(capture, 1);
  const { code, status, details } = await probe();
  expect([code, status]).toEqual([200, 'ok']);
  expect(details).toEqual({
    posthog: {
      status: 'up',
      health: 'up',
      problems: [],
      captured: 4,
      recovered: 0,
      delivered: 3,
      dropped: 0,
      pending: 1,
      pendingBytes: capture.stats().pendingBytes,
      queueShare: 0,
      oldestPendingMs: expect.any(Number),
      retries: 0,
      coolDownUntil: null,
    },
  });
});

describe('degraded', () => {
  it('during a cool-down: the probe succeeds, or fails with failWhenDegraded', async () => {
    const { capture, posthog, probe } = await startProbed();
    posthog.failAlways({ status: 503 });
    captureMany(capture, 3);
    await capture.flush();
    const degraded = await probe();
    expect([degraded.code, degraded.status]).toEqual([200, DEGRADED.all]);
    expect(degraded.details).toMatchObject({
      posthog: {
        status: DEGRADED.one,
        health: 'degraded',
        problems: [{ message: 'PostHog API error: HTTP 503', remedy: expect.stringContaining('nothing to do unless') }],
        coolDownUntil: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    });
    const strict = await probe('/strict');
    expect([strict.code, strict.details.events?.health]).toEqual([503, 'degraded']);
    posthog.failAlways(null);
    await capture.flush();
    expect((await probe()).status).toBe('ok');
    expect((await probe('/strict')).code).toBe(200);
  });

  it('while the queue is more than half full', async () => {
    const { capture, probe } = await startProbed({ maxQueueEvents: 10, flushAt: 10 });
    captureMany(capture, 5);
    expect((await probe()).status).toBe('ok');
    captureMany(capture, 1);
    expect((await probe()).details.posthog).toMatchObject({
      health: 'degraded',
      queueShare: 0.6,
      problems: [{ message: 'The queue is 60 % full', remedy: expect.stringContaining('maxQueueEvents') }],
    });
  });

  it('while the oldest event of a named instance is older than maxPendingAgeMs', async () => {
    const { app, probe } = await startProbed();
    const billing = app.get<CaptureService>(getCaptureToken('billing'));
    captureMany(billing, 1);
    expect((await probe()).details.posthog).toMatchObject({ health: 'up', captured: 0 });
    let report = await probe('/billing');
    while (report.details.billing?.health === 'up') report = await probe('/billing');
    expect(report.details.billing).toMatchObject({
      health: 'degraded',
      captured: 1,
      problems: [{ message: expect.stringMatching(/^The oldest event has been waiting for \d+ s$/) }],
    });
  });
});

describe('down', () => {
  it.each([401, 403, 404])('when PostHog responds with %i, until it accepts the key', async (status) => {
    const { capture, posthog, probe } = await startProbed();
    posthog.failAlways({ status });
    captureMany(capture, 1);
    await capture.flush();
    const down = await probe();
    expect([down.code, down.status]).toEqual([503, 'error']);
    expect(down.details.posthog).toMatchObject({
      status: 'down',
      health: 'down',
      problems: [{ message: `PostHog API error: HTTP ${status}`, remedy: expect.stringContaining('POSTHOG_') }],
    });
    posthog.failAlways(null);
    await capture.flush();
    expect((await probe()).status).toBe('ok');
  });

  it('while the project is over its quota', async () => {
    const { capture, posthog, probe } = await startProbed();
    posthog.failAlways({ status: 402 });
    captureMany(capture, 3);
    await capture.flush();
    expect((await probe()).details.posthog).toMatchObject({
      health: 'down',
      dropped: 3,
      problems: [{ message: 'PostHog API error: HTTP 402', remedy: expect.stringContaining('quota') }],
    });
    posthog.failAlways(null);
    captureMany(capture, 1);
    await capture.flush();
    expect((await probe()).status).toBe('ok');
  });

  it.each([401, 402])('while PostHog responds with %i, whether captureNow or the queue finds out', async (status) => {
    const { capture, posthog, probe } = await startProbed();
    const one = { event: 'order_placed', distinctId: 'user_1' };
    posthog.failAlways({ status });
    await capture.captureNow(one);
    expect((await probe()).details.posthog).toMatchObject({
      health: 'down',
      problems: [{ message: `PostHog API error: HTTP ${status}` }],
    });
    captureMany(capture, 1);
    await capture.flush();
    posthog.failAlways(null);
    await capture.captureNow(one);
    expect((await probe()).status).toBe('ok');
  });

  it('when the store fails', async () => {
    const store = new MemoryEventStore();
    store.append = () => {
      throw new Error('disk full');
    };
    const { capture, probe } = await startProbed({ store });
    expect((await probe()).status).toBe('ok');
    captureMany(capture, 1);
    expect((await probe()).details.posthog).toMatchObject({
      health: 'down',
      problems: [{ message: expect.stringContaining('store'), remedy: expect.stringContaining('disk') }],
    });
  });
});

it('is up and marked as disabled for a disabled instance', async () => {
  const { probe } = await startProbed({ enabled: false });
  expect((await probe()).details.posthog).toMatchObject({ status: 'up', health: 'up', disabled: true });
});

describe('the checked instance', () => {
  it('is `name`, or its deprecated alias `instance`', async () => {
    const { app } = await startProbed();
    const indicator = app.get(PostHogCaptureHealthIndicator);
    captureMany(app.get<CaptureService>(getCaptureToken('billing')), 2);
    for (const options of [
      { name: 'billing' },
      { instance: 'billing' },
      { name: 'billing', instance: 'billing' },
      { name: 'billing', instance: undefined },
      { name: undefined, instance: 'billing' },
    ]) {
      expect(indicator.check('billing', options)).toMatchObject({ billing: { captured: 2 } });
    }
    expect(indicator.check()).toMatchObject({ posthog: { captured: 0 } });
  });

  it('must be the same in both', async () => {
    const { app } = await startProbed();
    const indicator = app.get(PostHogCaptureHealthIndicator);
    expect(() => indicator.check('billing', { name: 'billing', instance: 'other' })).toThrow(
      'health: name is "billing", but instance, its deprecated alias, is "other": give name only',
    );
  });
});
