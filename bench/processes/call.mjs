// Times calls in bursts, without the work that they do after they have returned.
import 'reflect-metadata';
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { of } from 'rxjs';
import { openClient } from '../clients/index.mjs';
import { age } from '../support/age.mjs';
import { EVENT_NAME, eventOf, personOf, propertiesOf } from '../support/event.mjs';
import { median } from '../support/numbers.mjs';
import { serve } from '../support/processes.mjs';

const BURST = 100;

/** The measured calls: `prepare(n)` creates a call outside of the measurement; `rest()` waits for its effects before the next burst. */
let subject;

async function time(bursts) {
  const perCallUs = [];
  for (let burst = 0; burst < bursts; burst += 1) {
    const calls = Array.from({ length: BURST }, (_, index) => subject.prepare(burst * BURST + index));
    const startedAt = performance.now();
    for (const call of calls) call();
    perCallUs.push(((performance.now() - startedAt) * 1000) / BURST);
    await subject.rest();
  }
  subject.check?.(bursts * BURST);
  return { medianUs: median(perCallUs), meanUs: perCallUs.reduce((sum, one) => sum + one) / bursts };
}

/** A handler in Nest's interceptor chain, with real requests and responses but without a socket. */
function handlerCalls(interceptor, controller) {
  const handler = controller.read;
  return (n) => {
    const request = new IncomingMessage(null);
    request.method = 'GET';
    request.url = `/orders/${n}`;
    request.headers = { host: 'localhost', 'user-agent': 'bench/1.0' };
    const response = new ServerResponse(request);
    const execution = new ExecutionContextHost([request, response], controller.constructor, handler);
    const next = { handle: () => of(controller.read(n)) };
    return () => {
      const result = interceptor ? interceptor.intercept(execution, next) : next.handle();
      result.subscribe((value) => response.end(value));
    };
  };
}

async function ourInterceptor(url, isTracked) {
  const { PostHogCaptureModule, CaptureService, TrackEvent, TrackEventInterceptor } =
    await import('nestjs-posthog-capture');
  class Orders {
    read(n) {
      return String(n);
    }
  }
  const { prototype } = Orders;
  const options = { distinctId: ({ args }) => personOf(args[0]), properties: ({ args }) => propertiesOf(args[0]) };
  if (isTracked) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, 'read');
    Object.defineProperty(
      prototype,
      'read',
      TrackEvent(EVENT_NAME, options)(prototype, 'read', descriptor) ?? descriptor,
    );
  }
  Injectable()(Orders);
  class Application {}
  const module = {
    module: Application,
    imports: [PostHogCaptureModule.forRoot({ apiKey: 'phc_bench', host: url })],
    providers: [Orders, TrackEventInterceptor],
  };
  const app = await NestFactory.createApplicationContext(module, { logger: ['error', 'warn'] });
  const capture = app.get(CaptureService);
  let captured = 0;
  return {
    prepare: handlerCalls(app.get(TrackEventInterceptor), app.get(Orders)),
    rest: () => capture.flush(),
    check(calls) {
      captured += isTracked ? calls : 0;
      const { captured: counted } = capture.stats();
      if (counted !== captured) throw new Error(`${counted} events were captured instead of ${captured}`);
    },
  };
}

async function theirInterceptor(url, isTracked) {
  const { PostHog } = await import('posthog-node');
  const { PostHogInterceptor } = await import('posthog-node/nestjs');
  const client = new PostHog('phc_bench', { host: url, flushAt: 100 });
  class Orders {
    read(n) {
      if (isTracked) client.capture(eventOf(n));
      return String(n);
    }
  }
  return { prepare: handlerCalls(new PostHogInterceptor(client), new Orders()), rest: () => client.flush() };
}

const INTERCEPTORS = {
  none: () => {
    class Orders {
      read(n) {
        return String(n);
      }
    }
    return { prepare: handlerCalls(null, new Orders()), rest: () => new Promise((resolve) => setImmediate(resolve)) };
  },
  'ours, tracked': (url) => ourInterceptor(url, true),
  'ours, untracked': (url) => ourInterceptor(url, false),
  'posthog-node, tracked': (url) => theirInterceptor(url, true),
  'posthog-node, untracked': (url) => theirInterceptor(url, false),
};

/** The errors of a loop that fails each time, all of one type. */
async function failures(url, limit) {
  const { PostHogCaptureModule, CaptureService } = await import('nestjs-posthog-capture');
  const module = PostHogCaptureModule.forRoot({
    apiKey: 'phc_bench',
    host: url,
    exceptions: { observe: false, limit },
  });
  const app = await NestFactory.createApplicationContext(module, { logger: ['error'] });
  const capture = app.get(CaptureService);
  let thrown = 0;
  return {
    prepare(n) {
      const error = new RangeError(`order ${n} failed`);
      return () => capture.captureException(error, personOf(n));
    },
    rest: () => capture.flush(),
    check(calls) {
      thrown += calls;
      const { captured, droppedByReason } = capture.stats();
      const suppressed = droppedByReason.rate_limited ?? 0;
      if (captured !== thrown || suppressed !== (limit === false ? 0 : thrown - limit.burst))
        throw new Error(`${captured} of ${thrown} errors were captured, and ${suppressed} suppressed`);
    },
  };
}

/** Runs a function in the context of a request. */
const AROUND = {
  none: () => (run) => run(),
  'own context': () => {
    const contexts = new AsyncLocalStorage();
    return (run) => contexts.run({}, run);
  },
  ours: (url) => inOurContext(url, {}),
  'ours, context off': (url) => inOurContext(url, { context: false }),
};

async function inOurContext(url, more) {
  const { PostHogCaptureModule, CaptureService } = await import('nestjs-posthog-capture');
  const module = PostHogCaptureModule.forRoot({ apiKey: 'phc_bench', host: url, ...more });
  const app = await NestFactory.createApplicationContext(module, { logger: ['error', 'warn'] });
  return more.context === false ? (run) => run() : (run) => app.get(CaptureService).withContext({}, run);
}

const ticks = (count) =>
  new Promise((resolve) => {
    let left = count;
    const next = () => {
      left -= 1;
      if (left > 0) process.nextTick(next);
      else resolve();
    };
    process.nextTick(next);
  });

/** Fifty flags with a rollout, of which one is read. */
const DEFINITIONS = {
  flags: Array.from({ length: 50 }, (_, id) => ({
    id,
    key: `flag-${id}`,
    active: true,
    filters: { groups: [{ properties: [], rollout_percentage: 50 }] },
  })),
  group_type_mapping: {},
  cohorts: {},
};
const KEY = 'flag-7';
/** Few, so that all exposures have been captured before the measurement. */
const readerOf = (n) => `reader_${n % 100}`;
const definitionCache = {
  getFlagDefinitions: () => DEFINITIONS,
  shouldFetchFlagDefinitions: () => false,
  onFlagDefinitionsReceived: () => undefined,
  shutdown: () => undefined,
};

async function ourFlags(url) {
  const { PostHogCaptureModule, CaptureService } = await import('nestjs-posthog-capture');
  const { FeatureFlags, FeatureFlagsModule } = await import('nestjs-posthog-capture/flags');
  class Application {}
  const module = {
    module: Application,
    imports: [
      PostHogCaptureModule.forRoot({ apiKey: 'phc_bench', host: url }),
      FeatureFlagsModule.forRoot({ definitions: { cache: definitionCache }, localOnly: true }),
    ],
  };
  const app = await NestFactory.createApplicationContext(module, { logger: ['error'] });
  const [capture, flags] = [app.get(CaptureService), app.get(FeatureFlags)];
  await flags.value(KEY, { distinctId: readerOf(0) });
  while (flags.state.source !== 'local') await new Promise((resolve) => setImmediate(resolve));
  return { capture, flags };
}

/** Readers of one flag that is evaluated in this process. */
const FLAGS = {
  'posthog-node': async (url) => {
    const { PostHog } = await import('posthog-node');
    const options = { flagDefinitionCacheProvider: definitionCache, featureFlagsPollingInterval: null };
    const client = new PostHog('phc_bench', { host: url, ...options });
    await client.reloadFeatureFlags();
    return async (n) => (await client.evaluateFlags(readerOf(n), { flagKeys: [KEY] })).getFlag(KEY);
  },
  'ours, first read': async (url) => {
    const { capture, flags } = await ourFlags(url);
    return (n) => capture.withContext({ distinctId: readerOf(n) }, () => flags.value(KEY));
  },
  'ours, read again': async (url) => {
    const { capture, flags } = await ourFlags(url);
    return await capture.withContext({ distinctId: readerOf(0) }, () => AsyncResource.bind(() => flags.value(KEY)));
  },
};

/** Captures the event of all benchmarks by a definition. */
async function definedCapture(service) {
  const { defineEvent } = await import('nestjs-posthog-capture');
  const { z } = await import('zod');
  const OrderPlaced = defineEvent(
    EVENT_NAME,
    z.object({
      seq: z.number(),
      order_id: z.string(),
      plan: z.enum(['free', 'starter', 'team', 'business', 'enterprise']),
      product: z.string(),
      amount: z.number(),
      currency: z.literal('EUR'),
      items: z.number(),
      is_first_order: z.boolean(),
      path: z.string(),
      referrer: z.string(),
      session_id: z.string(),
      app_version: z.string(),
    }),
  );
  return (n) => void service.capture(OrderPlaced(propertiesOf(n), { distinctId: personOf(n) }));
}

let around;
let readFlag;

serve({
  async openCapture({ inContext, isDefined, ...options }) {
    const client = await openClient(options);
    const captureEvent = isDefined ? await definedCapture(client.service) : client.capture;
    const capture = (n) => () => captureEvent(n);
    const context = { sessionId: 'session_1', properties: { tenant: 'acme' } };
    const captureInContext = (n) => () => client.service.withContext(context, capture(n));
    subject = { prepare: inContext ? captureInContext : capture, rest: () => client.drain() };
    await age();
  },
  async openInterceptor({ variant, url }) {
    subject = await INTERCEPTORS[variant](url);
    await age();
  },
  async openErrors({ limit, url }) {
    subject = await failures(url, limit);
    await age();
  },
  time: ({ bursts }) => time(bursts),
  async openFlags({ variant, url }) {
    readFlag = await FLAGS[variant](url);
    await age();
  },
  /** Microseconds from a read to its value, sequentially. */
  async timeFlags({ count }) {
    const startedAt = performance.now();
    for (let n = 0; n < count; n += 1) {
      if (typeof (await readFlag(n)) !== 'boolean') throw new Error('the flag was not evaluated');
    }
    return ((performance.now() - startedAt) * 1000) / count;
  },
  async openTicks({ variant, url }) {
    around = await AROUND[variant](url);
    // A collection discards compiled code, so compile first.
    await around(() => ticks(100_000));
    await age();
  },
  /** Nanoseconds per tick. */
  async timeTicks({ count }) {
    const startedAt = performance.now();
    await around(() => ticks(count));
    return ((performance.now() - startedAt) * 1e6) / count;
  },
});
