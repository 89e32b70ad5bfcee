import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { type CaptureService, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { boot, closeAll, expectBalanced, type Harness, start } from '../support/harness.js';

afterEach(closeAll);

type Properties = Record<string, unknown>;

interface Entry {
  readonly type: string;
  readonly value: string;
  readonly mechanism: Properties;
  readonly stacktrace?: { readonly frames: (Properties & { readonly function: string })[] };
}

interface Sent {
  readonly event: string;
  readonly distinct_id: string;
  readonly uuid: string;
  readonly properties: Properties & { readonly $exception_list: Entry[] };
}

/** The events that PostHog received after some calls. */
async function sentBy(
  act: (capture: CaptureService) => unknown,
  options: PostHogCaptureModuleOptions = {},
): Promise<Harness & { readonly sent: Sent[] }> {
  const harness = await start(options);
  await act(harness.capture);
  await harness.capture.flush();
  expectBalanced(harness.capture);
  expect(harness.posthog.violations).toEqual([]);
  return { ...harness, sent: harness.posthog.events as unknown as Sent[] };
}

function named(name: string, message: string, cause?: unknown): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause });
  return Object.assign(error, { name, stack: undefined });
}

const MANUAL = { type: 'generic', handled: true, synthetic: false, exception_id: 0 };

describe('the examples of exception-event-metadata', () => {
  it('manual', async () => {
    const { sent } = await sentBy((capture) => capture.captureException(named('CheckoutError', 'Checkout failed')));
    expect(sent).toMatchObject([{ event: '$exception', properties: { $exception_level: 'error' } }]);
    expect(sent[0]!.properties.$exception_list).toEqual([
      { type: 'CheckoutError', value: 'Checkout failed', mechanism: MANUAL },
    ]);
    expect(sent[0]!.properties).not.toHaveProperty('$exception_source');
    expect(sent[0]!.properties).not.toHaveProperty('$exception_fingerprint');
    expect(sent[0]!.properties).not.toHaveProperty('$debug_images');
  });

  it('nested_cause', async () => {
    const error = named('CheckoutError', 'Checkout failed', named('DatabaseError', 'Connection failed'));
    const { sent } = await sentBy((capture) => capture.captureException(error));
    expect(sent[0]!.properties.$exception_list).toEqual([
      { type: 'CheckoutError', value: 'Checkout failed', mechanism: MANUAL },
      {
        type: 'DatabaseError',
        value: 'Connection failed',
        mechanism: { type: 'chained', source: 'cause', synthetic: false, exception_id: 1, parent_id: 0 },
      },
    ]);
  });

  it('aggregate', async () => {
    const invalid = named('ValidationError', 'Validation failed', named('ParseError', 'Invalid value'));
    const error = new AggregateError([named('NetworkError', 'Network failed'), invalid], 'Two operations failed');
    const { sent } = await sentBy((capture) => capture.captureException(error));
    const chained = { type: 'chained', synthetic: false };
    expect(sent[0]!.properties.$exception_list.map(({ type, value, mechanism }) => [type, value, mechanism])).toEqual([
      ['AggregateError', 'Two operations failed', MANUAL],
      ['NetworkError', 'Network failed', { ...chained, source: 'member', exception_id: 1, parent_id: 0 }],
      ['ValidationError', 'Validation failed', { ...chained, source: 'member', exception_id: 2, parent_id: 0 }],
      ['ParseError', 'Invalid value', { ...chained, source: 'cause', exception_id: 3, parent_id: 2 }],
    ]);
  });

  it('malformed_typed_input_normalized_at_manual_boundary', async () => {
    const details: object = { mechanism: { type: '', handled: 'yes', synthetic: false }, level: 'verbose' };
    const { sent, lines } = await sentBy((capture) =>
      capture.captureException(named('CheckoutError', 'Checkout failed'), details),
    );
    expect(sent[0]!.properties).toMatchObject({ $exception_level: 'error' });
    expect(sent[0]!.properties.$exception_list[0]!.mechanism).toEqual(MANUAL);
    expect(lines.join('\n')).toContain('level must be one of fatal, error, warning, log, info, debug');
  });

  it('an application property bag cannot impersonate an integration', async () => {
    const owned = [
      '$exception_list',
      '$exception_type',
      '$exception_level',
      '$exception_source',
      '$debug_images',
      '$exception_handled',
      '$exception_types',
      '$exception_values',
      '$exception_sources',
      '$exception_functions',
      '$exception_fingerprint_version',
      '$exception_fingerprint_record',
      '$exception_issue_id',
      '$exception_release',
      '$cymbal_errors',
    ];
    const bag = Object.fromEntries(owned.map((name) => [name, 'fatal']));
    const { sent, lines } = await sentBy(
      (capture) =>
        capture.withContext({ properties: bag }, () => {
          capture.captureException(named('CheckoutError', 'failed'), { properties: { ...bag, area: 'checkout' } });
        }),
      { superProperties: bag },
    );
    const { $exception_list, ...properties } = sent[0]!.properties;
    expect($exception_list).toEqual([{ type: 'CheckoutError', value: 'failed', mechanism: MANUAL }]);
    expect(properties).toMatchObject({ area: 'checkout', $exception_level: 'error', $exception_type: 'CheckoutError' });
    expect(owned.filter((name) => properties[name] === 'fatal')).toEqual([]);
    expect(lines.join('\n')).toContain('property "$exception_source" was left out');
  });

  it('an explicit fingerprint is preserved, as a field and as a property', async () => {
    const { sent, lines } = await sentBy((capture) => {
      capture.captureException(new Error('a'), {
        fingerprint: 'mine',
        properties: { $exception_fingerprint: 'other' },
      });
      capture.captureException(new Error('b'), { properties: { $exception_fingerprint: 'mine' } });
      capture.captureException(new Error('c'), { properties: { $exception_fingerprint: ' ' } });
      capture.captureException(new Error('d'), { fingerprint: '' });
    });
    expect(sent.map(({ properties }) => properties.$exception_fingerprint)).toEqual([
      'mine',
      'mine',
      undefined,
      undefined,
    ]);
    expect(lines.join('\n')).toContain('fingerprint must be a string that is not blank');
  });

  it('a release of the application is kept', async () => {
    process.env.POSTHOG_RELEASE_ID = 'of the build';
    try {
      const { sent } = await sentBy((capture) => {
        capture.captureException(new Error('a'));
        capture.captureException(new Error('b'), { properties: { $release_id: 'mine', $trace_id: 'mine' } });
      });
      expect(sent.map(({ properties }) => properties.$release_id)).toEqual(['of the build', 'mine']);
      expect(sent[1]!.properties.$trace_id).toBe('mine');
    } finally {
      delete process.env.POSTHOG_RELEASE_ID;
    }
  });

  it('levels of loggers are converted', async () => {
    const { sent } = await sentBy((capture) => {
      for (const level of ['warn', 'critical', 'fatal'] as 'fatal'[])
        capture.captureException(new Error(level), { level });
    });
    expect(sent.map(({ properties }) => properties.$exception_level)).toEqual(['warning', 'fatal', 'fatal']);
    expect(sent.every(({ properties }) => properties.$exception_list[0]!.mechanism.handled === true)).toBe(true);
  });
});

describe('the scenarios of capture-exception', () => {
  it('frames begin with the outermost call, have names relative to the working directory, and source lines', async () => {
    const boom = (): Error => new TypeError('boom');
    const handler = (): Error => boom();
    const main = (): Error => handler();
    const { sent } = await sentBy((capture) => capture.captureException(main(), { distinctId: 'exception-user' }));
    expect(sent[0]).toMatchObject({ distinct_id: 'exception-user' });
    const [{ type, value, stacktrace }] = sent[0]!.properties.$exception_list as [Entry];
    expect([type, value]).toEqual(['TypeError', 'boom']);
    const frames = stacktrace!.frames;
    const line = Number(frames.at(-1)!.lineno);
    expect(frames.map(({ lineno }) => lineno).slice(-3)).toEqual([line + 2, line + 1, line]);
    expect(frames.at(-1)).toMatchObject({
      platform: 'node:javascript',
      filename: 'test/e2e/exceptions.spec.ts',
      module: expect.stringContaining('exceptions.spec'),
      in_app: true,
      context_line: "    const boom = (): Error => new TypeError('boom');",
      post_context: expect.arrayContaining(['    const main = (): Error => handler();']),
    });
    expect(frames.at(-1)!.pre_context).toHaveLength(5);
    expect(frames.at(-1)!.post_context).toHaveLength(5);
  });

  it('frames without source lines are valid', async () => {
    const { sent } = await sentBy((capture) => capture.captureException(new Error('x')), {
      exceptions: { sourceContext: false },
    });
    const [{ stacktrace }] = sent[0]!.properties.$exception_list as [Entry];
    for (const frame of stacktrace!.frames)
      for (const name of ['pre_context', 'context_line', 'post_context']) expect(frame).not.toHaveProperty(name);
  });

  it('a value that is no error has the stack of the call', async () => {
    const { sent } = await sentBy(function act(capture) {
      capture.captureException('boom');
      return capture.captureExceptionNow({ code: 5 });
    });
    for (const { properties } of sent) {
      const [{ mechanism, stacktrace }] = properties.$exception_list as [Entry];
      expect(mechanism.synthetic).toBe(true);
      expect(stacktrace!.frames.at(-1)).toMatchObject({ filename: 'test/e2e/exceptions.spec.ts' });
    }
    expect(sent.map(({ properties }) => properties.$exception_message).sort()).toEqual(['boom', '{"code":5}']);
  });

  it('an existing stack is preserved', async () => {
    const stack = 'RemoteError: x\n    at charge (/srv/pay.js:3:4)\n    at main (/srv/main.js:1:2)';
    const { sent } = await sentBy((capture) => capture.captureException({ name: 'RemoteError', message: 'x', stack }));
    const [{ type, stacktrace }] = sent[0]!.properties.$exception_list as [Entry];
    expect([type, ...stacktrace!.frames.map((frame) => frame.function)]).toEqual(['RemoteError', 'main', 'charge']);
  });
});

describe('one Error object is one event', () => {
  it('a second call returns the uuid of the first, and counts nothing', async () => {
    const error = new Error('x');
    const { sent, capture } = await sentBy(async (service) => {
      const uuid = service.captureException(error, 'u');
      expect(service.captureException(error, 'u')).toBe(uuid);
      expect(service.captureException({ error }, 'u')).toBe(uuid);
      expect(await service.captureExceptionNow(error)).toMatchObject({
        success: false,
        uuid,
        error: expect.stringContaining('captured before'),
      });
    });
    expect(sent).toHaveLength(1);
    expect(capture.stats()).toMatchObject({ captured: 1, delivered: 1, dropped: 0 });
  });

  it('a call with invalid arguments may be corrected', async () => {
    const error = new Error('x');
    const { sent } = await sentBy((capture) => {
      expect(capture.captureException(error, { distinctId: {} as never })).toBeNull();
      expect(capture.captureException(error, { distinctId: 'u' })).not.toBeNull();
    });
    expect(sent).toHaveLength(1);
  });

  it('each instance captures it for its own project', async () => {
    const error = new Error('x');
    const { posthog } = await sentBy((capture) => capture.captureException(error));
    const { capture } = await boot({ host: posthog.url });
    capture.captureException(error);
    await capture.flush();
    expect(posthog.events).toHaveLength(2);
  });

  it('beside posthog-node: its mark is read and set, and shows nowhere', async () => {
    const captured = Object.assign(new Error('x'), { __posthog_previously_captured_error: true });
    const error = Object.assign(new Error('y'), { code: 5 });
    const frozen = Object.freeze(new Error('z'));
    const { sent } = await sentBy((capture) => {
      expect(capture.captureException(captured)).toBeNull();
      capture.captureException(error);
      capture.captureException(frozen);
      capture.captureException(frozen);
    });
    expect(sent.map(({ properties }) => properties.$exception_message)).toEqual(['y', 'z']);
    expect(Reflect.get(error, '__posthog_previously_captured_error')).toBe(true);
    expect(Object.keys(error)).toEqual(['code']);
  });
});

describe('the limit', () => {
  it('of 5000 equal errors ten are sent, and the rest is counted', async () => {
    const { sent, capture, drops, lines } = await sentBy((service) => {
      for (let n = 0; n < 5000; n += 1) service.captureException(new RangeError('flood'), 'u');
      service.captureException(new TypeError('other'), 'u');
    });
    expect(sent.map(({ properties }) => properties.$exception_type)).toEqual([
      ...Array.from({ length: 10 }, () => 'RangeError'),
      'TypeError',
    ]);
    expect(capture.stats()).toMatchObject({
      captured: 5001,
      delivered: 11,
      dropped: 4990,
      droppedByReason: { rate_limited: 4990 },
    });
    expect(drops).toHaveLength(4990);
    expect(drops[0]).toEqual({
      reason: 'rate_limited',
      event: '$exception',
      uuid: null,
      detail: expect.stringContaining('exceptions.limit'),
    });
    expect(lines.filter((line) => line.includes('rate_limited'))).toHaveLength(1);
  });

  it('the next error has the number of those before', async () => {
    let passed = 0;
    const now = performance.now.bind(performance);
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now() + passed);
    try {
      const { sent } = await sentBy(
        (capture) => {
          for (let n = 0; n < 5; n += 1) capture.captureException(new Error('x'));
          passed = 3_600_000;
          capture.captureException(new Error('y'));
        },
        { exceptions: { limit: { burst: 1, everyMs: 3_600_000 } } },
      );
      expect(sent.map(({ properties }) => properties.$exception_suppressed)).toEqual([undefined, 4]);
    } finally {
      clock.mockRestore();
    }
  });

  it('captureExceptionNow says so', async () => {
    const { sent, capture } = await sentBy(
      async (service) => {
        expect(await service.captureExceptionNow(new Error('x'))).toMatchObject({ success: true });
        expect(await service.captureExceptionNow(new Error('y'))).toMatchObject({
          success: false,
          error: 'Event dropped: rate_limited',
        });
      },
      { exceptions: { limit: { burst: 1 } } },
    );
    expect(sent).toHaveLength(1);
    expect(capture.stats()).toMatchObject({ captured: 2, delivered: 1, droppedByReason: { rate_limited: 1 } });
  });

  it('does not count what a disabled instance is given', async () => {
    const { capture } = await start({ exceptions: { limit: { burst: 1 } } });
    capture.disable();
    const error = new Error('x');
    for (let n = 0; n < 5; n += 1) capture.captureException(new Error('x'));
    expect(capture.captureException(error)).toBeNull();
    expect(await capture.captureExceptionNow(error)).toMatchObject({ error: 'Event dropped: disabled' });
    capture.enable();
    expect(capture.captureException(error)).not.toBeNull();
    expectBalanced(capture);
  });

  it('can be turned off', async () => {
    const { sent } = await sentBy(
      (capture) => {
        for (let n = 0; n < 30; n += 1) capture.captureException(new Error('x'));
      },
      { exceptions: { limit: false } },
    );
    expect(sent).toHaveLength(30);
  });

  it('an error of a person who opted out does not use it up', async () => {
    const { sent, capture } = await sentBy(
      (service) => {
        service.withContext({ optedOut: true }, () => service.captureException(new Error('x')));
        service.captureException(new Error('y'));
      },
      { exceptions: { limit: { burst: 1 } } },
    );
    expect(sent).toHaveLength(1);
    expect(capture.stats().droppedByReason).toEqual({ opted_out: 1 });
  });

  it('the stack of an error beyond it is not read, and V8 need not write it', async () => {
    let reads = 0;
    const { sent } = await sentBy((capture) => {
      for (let n = 0; n < 50; n += 1) {
        const error = new Error('flood');
        const { stack } = error;
        Object.defineProperty(error, 'stack', {
          get: () => {
            reads += 1;
            return stack;
          },
        });
        capture.captureException(error, 'u');
      }
    });
    expect(sent).toHaveLength(10);
    expect(reads).toBe(10);
  });
});
