import { Controller, Get, Param } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type CaptureEvent,
  CaptureService,
  type PostHogCaptureModuleOptions,
  TrackEvent,
} from 'nestjs-posthog-capture';
import { boot, closeAll, expectBalanced, type Harness, start } from '../support/harness.js';
import { revoked, spiteful } from '../support/hostile-values.js';
import { ADAPTERS, serve } from '../support/serve.js';

afterEach(closeAll);

type Step = Readonly<Record<string, unknown>>;

const stepsOf = (event: { readonly properties: object } | undefined): Step[] | undefined =>
  (event?.properties as { readonly $exception_steps?: Step[] } | undefined)?.$exception_steps;

const messagesOf = (event: { readonly properties: object } | undefined): unknown[] | undefined =>
  stepsOf(event)?.map(({ $message }) => $message);

/** The steps of the errors that PostHog received after some calls, by message of the error. */
async function stepsAfter(
  act: (capture: CaptureService) => unknown,
  options: PostHogCaptureModuleOptions = {},
): Promise<
  Harness & { readonly steps: Record<string, Step[] | undefined>; readonly messages: Record<string, unknown> }
> {
  const harness = await start({ exceptions: { limit: false }, ...options });
  await act(harness.capture);
  await harness.capture.flush();
  expectBalanced(harness.capture);
  expect(harness.posthog.violations).toEqual([]);
  const errors = harness.posthog.events.filter(({ event }) => event === '$exception');
  const named = errors.map((event) => [String(event.properties.$exception_message), event] as const);
  return {
    ...harness,
    steps: Object.fromEntries(named.map(([name, event]) => [name, stepsOf(event)])),
    messages: Object.fromEntries(named.map(([name, event]) => [name, messagesOf(event)])),
  };
}

const plain = (event: string, properties: Record<string, unknown> = {}): CaptureEvent => ({
  event,
  distinctId: 'u',
  properties,
});

describe('the scenarios of exception-steps', () => {
  it('steps are attached oldest first, with their time and properties', async () => {
    const before = Date.now();
    const { steps } = await stepsAfter((capture) =>
      capture.withContext({ distinctId: 'u' }, () => {
        capture.step('cart loaded', { items: 2, at: new Date(0), none: undefined });
        capture.step('card charged');
        capture.captureException(new Error('x'));
      }),
    );
    const [first, second] = steps.x!;
    expect(first).toEqual({
      $message: 'cart loaded',
      $timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      items: 2,
      at: '1970-01-01T00:00:00.000Z',
    });
    expect(Object.keys(second!)).toEqual(['$message', '$timestamp']);
    const [from, to] = [Date.parse(String(first!.$timestamp)), Date.parse(String(second!.$timestamp))];
    expect([from >= before, to >= from, to <= Date.now()]).toEqual([true, true, true]);
  });

  it('steps persist across captures', async () => {
    const { messages } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        capture.step('a');
        capture.captureException(new Error('first'));
        capture.step('b');
        capture.captureException(new Error('second'));
      }),
    );
    expect(messages).toEqual({ first: ['a'], second: ['a', '$exception', 'b'] });
  });

  it('an invalid message is ignored with one warning, and does not throw', async () => {
    const { messages, lines } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        for (const message of [undefined, 5, {}, revoked()] as unknown as string[]) capture.step(message);
        for (let n = 0; n < 50; n += 1) capture.step(' ');
        capture.captureException(new Error('x'));
      }),
    );
    expect(messages).toEqual({ x: undefined });
    expect(lines.filter((line) => line.includes('but it is blank'))).toEqual([
      'step(): the message must be a non-blank string, but it is blank; the step was ignored.',
    ]);
  });

  it('reserved names are left out of properties, with a warning', async () => {
    const { steps, lines } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        capture.step('a', { $message: 'other', $timestamp: 0, kept: true });
        capture.captureException(new Error('x'));
      }),
    );
    expect(steps.x).toEqual([{ $message: 'a', $timestamp: expect.stringContaining('T'), kept: true }]);
    expect(lines.join('\n')).toContain('step(): property "$timestamp" was left out');
  });

  it('properties are converted as those of an event', async () => {
    const cycle: Record<string, unknown> = { big: 10n, map: new Map([['k', 1]]), nul: '\0', lone: '\ud800' };
    cycle.self = cycle;
    const getter = Object.defineProperty({}, 'thrower', { enumerable: true, get: () => JSON.parse('{') as unknown });
    const { steps, posthog } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        capture.step('cycle', cycle);
        capture.step('getter', getter);
        for (const odd of [spiteful(), revoked(), 'text', [1]] as object[]) capture.step('odd', odd as never);
        capture.captureException(new Error('x'));
        capture.capture(plain('same', cycle));
      }),
    );
    const { big, map, nul, lone, self } = posthog.events.find(({ event }) => event === 'same')!.properties;
    expect(steps.x![0]).toEqual({ $message: 'cycle', $timestamp: expect.anything(), big, map, nul, lone, self });
    expect(steps.x![1]).toEqual({ $message: 'getter', $timestamp: expect.anything(), thrower: null });
    expect(steps.x).toHaveLength(6);
  });

  it('the oldest steps are dropped beyond 32 KiB of UTF-8', async () => {
    const { steps } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        for (let n = 0; n < 100; n += 1) capture.step(`é${n}`, { text: 'é'.repeat(450) });
        capture.captureException(new Error('x'));
      }),
    );
    const kept = steps.x!;
    const bytes = kept.map((step) => Buffer.byteLength(JSON.stringify(step)));
    const total = bytes.reduce((sum, one) => sum + one, 0);
    expect([total <= 32_768, total + bytes[0]! > 32_768]).toEqual([true, true]);
    expect(kept.map(({ $message }) => $message)).toEqual(
      Array.from({ length: kept.length }, (_, index) => `é${100 - kept.length + index}`),
    );
  });

  it('a step larger than that is ignored, and the others are kept', async () => {
    const { messages, lines } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        capture.step('small');
        capture.step('large', { text: 'x'.repeat(33_000) });
        capture.step('x'.repeat(33_000));
        capture.captureException(new Error('x'));
      }),
    );
    expect(messages).toEqual({ x: ['small'] });
    expect(lines.join('\n')).toContain('a step must be at most 32768 bytes');
  });

  it('a disabled instance keeps none', async () => {
    const { messages, lines } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        capture.disable();
        capture.step('a');
        capture.step('');
        capture.enable();
        capture.captureException(new Error('x'));
      }),
    );
    expect(messages).toEqual({ x: undefined });
    expect(lines).toEqual([]);
  });

  it('one instance does not send the steps of another', async () => {
    const { capture, posthog } = await start();
    const other = await boot({ host: posthog.url });
    capture.withContext({}, () => {
      capture.step('mine');
      other.capture.step('theirs');
      other.capture.capture(plain('their_event'));
      capture.captureException(new Error('x'));
    });
    await Promise.all([capture.flush(), other.capture.flush()]);
    expect(messagesOf(posthog.events.find(({ event }) => event === '$exception'))).toEqual(['mine']);
  });
});

describe('$exception_steps of the application', () => {
  const given = [{ $message: 'mine', $timestamp: '2026-01-31T12:00:00Z', more: 1 }];

  it.each([
    ['of the call', given],
    [
      'with a Date and a number',
      [
        { $message: 'm', $timestamp: new Date(5) },
        { $message: 'm', $timestamp: 5 },
      ],
    ],
    ['none', []],
  ])('replace the recorded steps: %s', async (_, steps) => {
    const { steps: sent } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        capture.step('recorded');
        capture.captureException(new Error('x'), { properties: { $exception_steps: steps } });
      }),
    );
    expect(sent.x).toEqual(JSON.parse(JSON.stringify(steps)));
  });

  it.each([
    ['text', 'step'],
    ['null', null],
    ['a step that is text', ['step']],
    ['a step without a message', [{ $timestamp: 1 }]],
    ['a blank message', [{ $message: ' ', $timestamp: 1 }]],
    ['a step without a time', [{ $message: 'm' }]],
    ['a time that is none', [{ $message: 'm', $timestamp: 'yesterday' }]],
    ['a proxy that throws', spiteful([])],
  ])('that PostHog could not show are left out, with a warning: %s', async (_, steps) => {
    const { messages, lines } = await stepsAfter((capture) =>
      capture.withContext({ properties: { $exception_steps: steps } }, () => {
        capture.step('recorded');
        capture.captureException(new Error('x'));
      }),
    );
    expect(messages).toEqual({ x: ['recorded'] });
    expect(lines.join('\n')).toContain('property "$exception_steps" must be an array of objects');
  });

  it('an $exception that the application made itself has the steps as well', async () => {
    const { posthog } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        capture.step('a');
        capture.capture(plain('$exception', { $exception_list: [{ type: 'E', value: 'v' }] }));
      }),
    );
    expect(messagesOf(posthog.events[0])).toEqual(['a']);
  });
});

describe('steps of a context', () => {
  it('have the names of the events captured before, without their properties', async () => {
    const { steps } = await stepsAfter(async (capture) => {
      await capture.withContext({ distinctId: 'u' }, async () => {
        capture.capture({ event: 'cart_opened', properties: { secret: 1 } });
        capture.step('discount applied');
        capture.identify({ distinctId: 'u', set: { plan: 'pro' } });
        await capture.captureNow({ event: 'order_placed' });
        capture.capture({ event: ' ' });
        capture.captureException(new Error('x'));
        capture.capture({ event: 'too_late' });
      });
    });
    const time = expect.stringMatching(/^\d{4}-.*Z$/);
    expect(steps.x).toEqual([
      { $message: 'cart_opened', $timestamp: time },
      { $message: 'discount applied', $timestamp: time },
      { $message: '$identify', $timestamp: time },
      { $message: 'order_placed', $timestamp: time },
    ]);
  });

  it('include those of the contexts around it, in the order of time', async () => {
    const { messages } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        capture.step('outer 1');
        capture.withContext({}, () => {
          capture.step('inner 1');
          capture.withContext({}, () => {
            capture.capture(plain('innermost'));
            capture.captureException(new Error('innermost'));
          });
        });
        capture.step('outer 2');
        capture.withContext({}, () => {
          capture.step('inner 2');
          capture.captureException(new Error('second'));
        });
      }),
    );
    expect(messages).toEqual({
      innermost: ['outer 1', 'inner 1', 'innermost'],
      second: ['outer 1', 'outer 2', 'inner 2'],
    });
  });

  it('include those of the contexts within it, from which an error may come', async () => {
    const { messages } = await stepsAfter(async (capture) => {
      await capture.withContext({}, async () => {
        capture.step('outer');
        const work = (name: string): Promise<void> =>
          capture.withContext({}, async () => {
            capture.step(`${name} begins`);
            await Promise.resolve();
            throw new Error(name);
          });
        try {
          await work('inner');
        } catch (error) {
          capture.captureException(error);
        }
      });
    });
    expect(messages).toEqual({ inner: ['outer', 'inner begins'] });
  });

  it('are not displaced by those of the contexts within it', async () => {
    const { messages } = await stepsAfter((capture) =>
      capture.withContext({}, () => {
        capture.step('outer');
        for (let n = 0; n < 5; n += 1)
          capture.withContext({}, () => {
            for (let k = 0; k < 20; k += 1) capture.step(`${n} ${k}`, { text: 'x'.repeat(1000) });
          });
        capture.withContext({}, () => {
          capture.step('inner');
          capture.captureException(new Error('x'));
        });
      }),
    );
    expect(messages).toEqual({ x: ['outer', 'inner'] });
  });

  it('survive work that restarts itself within its own context for ever', async () => {
    const { messages } = await stepsAfter((capture) => {
      const again = (n: number): void =>
        capture.withContext({}, () => {
          if (n % 100 === 0) capture.step(`level ${n}`);
          if (n < 250) again(n + 1);
          else capture.captureException(new Error('x'));
        });
      again(0);
    });
    expect(messages).toEqual({ x: ['level 0', 'level 100', 'level 200'] });
  });

  it('outside of any context, a step has no effect, with a warning', async () => {
    const { messages, lines } = await stepsAfter((capture) => {
      for (let n = 0; n < 3; n += 1) capture.step('a');
      capture.captureException(new Error('x'));
    });
    expect(messages).toEqual({ x: undefined });
    expect(lines).toEqual(['step() has no effect outside of a context. Wrap the work in withContext().']);
  });

  it('with 200 at once, each error has its own', async () => {
    const { messages } = await stepsAfter((capture) => {
      const work = (n: number): Promise<void> =>
        capture.withContext({ distinctId: n }, async () => {
          capture.step(`begin ${n}`);
          await new Promise((resolve) => void setImmediate(resolve));
          capture.capture({ event: `event ${n}` });
          capture.captureException(new Error(`${n}`));
        });
      return Promise.all(Array.from({ length: 200 }, (_, n) => work(n)));
    });
    expect(messages).toEqual(
      Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`${n}`, [`begin ${n}`, `event ${n}`]])),
    );
  });
});

@Controller()
class OrdersController {
  constructor(private readonly capture: CaptureService) {}

  @Get('orders/:id')
  @TrackEvent('order_requested')
  async order(@Param('id') id: string): Promise<string> {
    this.capture.step('order loaded', { id });
    await new Promise((resolve) => void setImmediate(resolve));
    this.capture.captureException(new Error(id));
    return id;
  }
}

describe.each(ADAPTERS)('steps of requests on %s', (adapter) => {
  it('never mix', async () => {
    const { url, events, posthog } = await serve({
      adapter,
      controllers: [OrdersController],
      posthog: { exceptions: { limit: false } },
    });
    const ids = Array.from({ length: 50 }, (_, n) => `${n}`);
    await Promise.all(ids.map((id) => fetch(`${url}/orders/${id}`).then((response) => response.text())));
    const errors = await events('$exception');
    expect(posthog.violations).toEqual([]);
    const found = errors.map((event) => [event.properties.$exception_message, stepsOf(event)]);
    expect(Object.fromEntries(found)).toEqual(
      Object.fromEntries(ids.map((id) => [id, [{ $message: 'order loaded', $timestamp: expect.any(String), id }]])),
    );
  });
});
