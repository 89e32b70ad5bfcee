// A Nest application with one route, GET /orders/:id, that returns a small object. The variants differ in how they capture events.
// All events have the same twelve properties.
import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Controller, Get, Inject, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { age } from '../support/age.mjs';
import { EVENT_NAME, eventOf, personOf, propertiesOf } from '../support/event.mjs';
import { serve } from '../support/processes.mjs';

const order = (id) => ({ id, status: 'paid', total: 42 });

/** Equivalent to the compiled code of a controller with one decorated method. */
function controller(answer = order, { decorators = [], inject = [] } = {}) {
  class Orders {
    constructor(...dependencies) {
      this.dependencies = dependencies;
    }

    read(id) {
      return answer(Number(id), ...this.dependencies);
    }
  }
  const { prototype } = Orders;
  let descriptor = Object.getOwnPropertyDescriptor(prototype, 'read');
  for (const decorate of [...decorators, Get(':id')])
    descriptor = decorate(prototype, 'read', descriptor) ?? descriptor;
  Object.defineProperty(prototype, 'read', descriptor);
  Param('id')(prototype, 'read', 0);
  inject.forEach((token, index) => Inject(token)(Orders, undefined, index));
  Controller('orders')(Orders);
  return Orders;
}

/** The additions of each variant. `drain` waits until all events are delivered. */
const VARIANTS = {
  bare: () => ({ controllers: [controller()] }),

  /** Minimal cost of a context per request: an AsyncLocalStorage that Node propagates. */
  'own context': () => {
    const contexts = new AsyncLocalStorage();
    return {
      controllers: [controller()],
      around: (request, next) => contexts.run({ request }, next),
    };
  },

  async tracked(url) {
    const { TrackEvent } = await import('nestjs-posthog-capture');
    const trackEvent = TrackEvent(EVENT_NAME, {
      distinctId: ({ args }) => personOf(Number(args[0])),
      properties: ({ args }) => propertiesOf(Number(args[0])),
    });
    return ours({ url }, controller(order, { decorators: [trackEvent] }));
  },

  async captured(url) {
    const { CaptureService } = await import('nestjs-posthog-capture');
    const readAndCapture = (id, capture) => {
      capture.capture(eventOf(id));
      return order(id);
    };
    return ours({ url }, controller(readAndCapture, { inject: [CaptureService] }));
  },

  untracked: (url) => ours({ url }, controller()),

  'untracked, context off': (url) => ours({ url, more: { context: false } }, controller()),

  'posthog-node': (url) => posthogNode(url, {}),

  'posthog-node, batches of 100': (url) => posthogNode(url, { flushAt: 100 }),
};

/** Its interceptor opens a context, and the handler captures, as its documentation recommends. */
async function posthogNode(url, options) {
  const { PostHog } = await import('posthog-node');
  const { PostHogInterceptor } = await import('posthog-node/nestjs');
  const client = new PostHog('phc_bench', { host: url, ...options });
  const readAndCapture = (id) => {
    client.capture(eventOf(id));
    return order(id);
  };
  return {
    controllers: [controller(readAndCapture)],
    interceptors: [new PostHogInterceptor(client)],
    drain: async () => {
      do await client.flush();
      while ((client.getPersistedProperty('queue')?.length ?? 0) > 0);
    },
  };
}

async function ours({ url, more }, itsController) {
  const { CaptureService, PostHogCaptureModule } = await import('nestjs-posthog-capture');
  return {
    imports: [PostHogCaptureModule.forRoot({ apiKey: 'phc_bench', host: url, ...more })],
    controllers: [itsController],
    drain: (app) => app.get(CaptureService).flush({ timeoutMs: 60_000 }),
  };
}

class Application {}

async function adapterOf(framework) {
  if (framework === 'fastify') return new (await import('@nestjs/platform-fastify')).FastifyAdapter();
  return new (await import('@nestjs/platform-express')).ExpressAdapter();
}

/** Runs the handling of each request within a function. */
function wrapRequests(app, framework, around) {
  const run = (request, _response, next) => around(request, next);
  if (framework === 'fastify') app.getHttpAdapter().getInstance().addHook('onRequest', run);
  else app.use(run);
}

let cpu;
let drain;

serve({
  async open({ framework, variant, url }) {
    const { interceptors = [], around, drain: itsDrain, ...parts } = await VARIANTS[variant](url);
    const logger = ['error', 'warn'];
    const app = await NestFactory.create({ module: Application, ...parts }, await adapterOf(framework), { logger });
    app.useGlobalInterceptors(...interceptors);
    if (around) wrapRequests(app, framework, around);
    await app.listen(0, '127.0.0.1');
    drain = () => itsDrain?.(app);
    await age();
    return app.getHttpServer().address().port;
  },
  begin() {
    cpu = process.cpuUsage();
  },
  /** CPU time since the last call in microseconds, including the delivery of all events. */
  async end() {
    await drain();
    const { user, system } = process.cpuUsage(cpu);
    return user + system;
  },
});
