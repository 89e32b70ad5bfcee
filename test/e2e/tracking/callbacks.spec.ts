import { Injectable } from '@nestjs/common';
import { CaptureService, PostHogCaptureModule, TrackEvent, type TrackEventOptions } from 'nestjs-posthog-capture';
import { Test } from '@nestjs/testing';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { closeAll, KEY, onClose } from '../../support/harness.js';

/** A class with one method tracked with these options, in an application with the default instance and `billing`. */
async function bootWith(options: TrackEventOptions, more: TrackEventOptions[] = []) {
  @Injectable()
  class Service {
    run(input: unknown): unknown {
      if (input instanceof Error) throw input;
      return input;
    }
  }
  const descriptor = Object.getOwnPropertyDescriptor(Service.prototype, 'run')!;
  for (const one of [...more, options]) TrackEvent('done', one)(Service.prototype, 'run', descriptor);
  Object.defineProperty(Service.prototype, 'run', descriptor);

  const posthog = await FakePostHog.start();
  onClose(() => posthog.close());
  const lines: string[] = [];
  const write = (line: unknown): void => void lines.push(String(line));
  const logger = { log: write, warn: write, error: write };
  const module = await Test.createTestingModule({
    imports: [
      PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url, logger }),
      PostHogCaptureModule.forRoot({ name: 'billing', apiKey: 'phc_billing', host: posthog.url, logger }),
    ],
    providers: [Service],
  }).compile();
  await module.init();
  onClose(() => module.close());
  const capture = module.get(CaptureService);
  return {
    run: (input?: unknown) => module.get(Service).run(input),
    lines,
    posthog,
    module,
    capture,
    async event() {
      await capture.flush();
      expect(posthog.events).toHaveLength(1);
      return posthog.events[0]!;
    },
  };
}

const hostile = Object.defineProperty({ good: 1 }, 'bad', {
  enumerable: true,
  get() {
    throw new Error('hostile');
  },
});
const boom = (): never => {
  throw new Error('secret');
};

afterEach(closeAll);

describe('dedupeKey and timestamp of @TrackEvent', () => {
  const hook = { id: 'evt_1', created: 1769860800, customer: 'ann' };
  type Hook = typeof hook;
  const options: TrackEventOptions = {
    distinctId: ({ args }) => (args[0] as Hook).customer,
    timestamp: ({ args }) => (args[0] as Hook).created,
    dedupeKey: ({ args }) => (args[0] as Hook).id,
  };

  it('make one event of a call that is repeated', async () => {
    const { run, event, capture } = await bootWith(options);
    const uuid = capture.capture({
      event: 'done',
      distinctId: hook.customer,
      timestamp: hook.created,
      dedupeKey: hook.id,
    });
    run(hook);
    run(hook);
    expect(await event()).toMatchObject({ uuid, timestamp: '2026-01-31T12:00:00.000Z' });
    expect(capture.stats().droppedByReason).toEqual({ duplicate: 2 });
  });

  it('are omitted with a warning if they are invalid', async () => {
    const { run, event, lines } = await bootWith({ ...options, dedupeKey: () => ({}) as string });
    run(hook);
    expect((await event()).timestamp).toBe('2026-01-31T12:00:00.000Z');
    expect(lines).toEqual([expect.stringContaining('dedupeKey must be a non-blank string or a finite number')]);
  });

  it('are refused if only dedupeKey is given', () => {
    const decorate = (): unknown => TrackEvent('done', { dedupeKey: 'evt_1' })({}, 'run', { value: () => undefined });
    expect(decorate).toThrow('dedupeKey needs timestamp, which must be the same each time');
  });
});

describe('callbacks of @TrackEvent', () => {
  it('receive the call', async () => {
    const { run, event } = await bootWith({
      distinctId: ({ args }) => (args[0] as { by: number }).by,
      groups: { company: 'acme', team: 7 },
      properties: ({ args, result, outcome, transport, durationMs, request, execution, statusCode }) => ({
        same: args[0] === result,
        outcome,
        transport,
        timed: durationMs >= 0,
        none: [request, execution, statusCode].every((one) => one === undefined),
      }),
    });
    run({ by: 12 });
    expect(await event()).toMatchObject({
      distinct_id: '12',
      properties: {
        same: true,
        outcome: 'success',
        transport: 'provider',
        timed: true,
        none: true,
        $groups: { company: 'acme', team: '7' },
      },
    });
  });

  it.each<[string, TrackEventOptions]>([
    ['distinctId that throws', { distinctId: boom }],
    ['distinctId that is a promise', { distinctId: (() => Promise.reject(new Error('secret'))) as never }],
    ['distinctId that is NaN', { distinctId: () => NaN }],
    ['distinctId that is an object', { distinctId: (() => ({ id: 'secret' })) as never }],
    ['distinctId that is too long', { distinctId: () => 'x'.repeat(201) }],
    ['groups that throw', { groups: boom }],
    ['groups that are an array', { groups: (() => ['secret']) as never }],
    ['groups with a bad key', { groups: (() => ({ company: {} })) as never }],
    ['properties that throw', { properties: boom }],
    ['properties that are a promise', { properties: (() => Promise.resolve({ secret: 1 })) as never }],
    ['properties that are a string', { properties: (() => 'secret') as never }],
    ['properties whose names cannot be listed', { properties: () => new Proxy({}, { ownKeys: boom }) }],
    ['when that throws', { when: boom }],
    ['when that is a promise', { when: (() => Promise.resolve(false)) as never }],
  ])('%s: the field is omitted and one warning is logged', async (_name, options) => {
    const { run, event, lines } = await bootWith({
      distinctId: 'ann',
      groups: { company: 'acme' },
      properties: { a: 1 },
      ...options,
    });
    const input = {};
    expect(run(input)).toBe(input);
    const captured = await event();
    if (!options.distinctId) expect(captured.distinct_id).toBe('ann');
    if (!options.groups) expect(captured.properties.$groups).toEqual({ company: 'acme' });
    if (!options.properties) expect(captured.properties.a).toBe(1);
    expect(captured.properties.$outcome).toBe('success');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(Object.keys(options)[0]);
    expect(lines[0]).not.toContain('secret');
  });

  it('log one warning, however often they fail', async () => {
    const { run, lines, capture } = await bootWith({ properties: boom });
    for (let n = 0; n < 50; n += 1) run();
    expect(lines).toHaveLength(1);
    expect(capture.stats().captured).toBe(50);
  });

  it('that throw: the warning shows what and where, and the remedy', async () => {
    const { run, lines } = await bootWith({ on: 'any', properties: ({ result }) => ({ total: result!.total }) });
    expect(() => run(new Error('secret'))).toThrow('secret');
    expect(lines).toEqual([
      expect.stringMatching(
        /^@TrackEvent\("done"\): properties threw TypeError: Cannot read properties of undefined \(reading 'total'\) at test\/e2e\/tracking\/callbacks\.spec\.ts:\d+\. The event is captured without it\. Remedy: result is undefined unless the outcome is success, and the outcome was error: read it as result\?\.name\.$/,
      ),
    ]);
  });

  it('that throw cost the description of one error per minute', async () => {
    let reads = 0;
    const properties = (): never => {
      throw Object.defineProperty(new Error('secret'), 'stack', { get: () => String(++reads) });
    };
    const { run } = await bootWith({ properties });
    for (let n = 0; n < 50; n += 1) run();
    expect(reads).toBe(1);
  });

  it('may return nothing, and a property whose getter throws is null', async () => {
    const { run, event, lines } = await bootWith({
      distinctId: () => undefined,
      groups: () => null,
      properties: () => hostile,
    });
    run();
    const { properties } = await event();
    expect(properties).toMatchObject({ good: 1, bad: null, $process_person_profile: false });
    expect(properties.$groups).toBeUndefined();
    expect(lines).toEqual([]);
  });

  it('when decides whether the call is captured', async () => {
    const { run, event } = await bootWith({
      when: ({ args }) => args[0] === 'yes',
      properties: ({ args }) => ({ arg: args[0] }),
    });
    for (const input of ['no', undefined, 'yes']) run(input);
    expect((await event()).properties.arg).toBe('yes');
  });

  it('cannot override $outcome', async () => {
    const { run, event } = await bootWith({ properties: { $outcome: 'great', $transport: 'pigeon' } });
    run();
    expect((await event()).properties).toMatchObject({ $outcome: 'success', $transport: 'provider' });
  });
});

describe('instances of @TrackEvent', () => {
  it.each<object>([
    { name: 'billing' },
    // The deprecated alias.
    { instance: 'billing' },
    { name: 'billing', instance: 'billing' },
  ])('are chosen by %p, several on one method', async (options) => {
    const { run, posthog, module, capture } = await bootWith(options, [{}]);
    run();
    await capture.flush();
    await module.get<CaptureService>('CaptureService:billing').flush();
    expect(posthog.events).toHaveLength(2);
    const keys = posthog.requests.map(({ text }) => (JSON.parse(text ?? '{}') as { api_key: string }).api_key);
    expect(keys.sort()).toEqual(['phc_billing', KEY].sort());
  });

  it('that do not exist are reported once', async () => {
    const { run, posthog, capture, lines } = await bootWith({ name: 'biling' });
    for (let n = 0; n < 3; n += 1) expect(run(n)).toBe(n);
    await capture.flush();
    expect(posthog.events).toEqual([]);
    expect(lines).toEqual([expect.stringContaining('names the instance "biling", which does not exist')]);
  });

  it('that are disabled capture nothing and call no callbacks', async () => {
    let calls = 0;
    const { run, capture } = await bootWith({ distinctId: () => String(++calls) });
    capture.disable();
    run();
    expect([calls, capture.stats().captured]).toEqual([0, 0]);
  });
});

describe('sampleRate of @TrackEvent', () => {
  it('keeps all events of a person or none, for about that share of persons', async () => {
    const { run, posthog, capture } = await bootWith({ sampleRate: 0.25, distinctId: ({ args }) => args[0] as string });
    for (let round = 0; round < 3; round += 1) for (let n = 0; n < 1000; n += 1) run(`person-${n}`);
    await capture.flush();
    const counts = new Map<string, number>();
    for (const { distinct_id } of posthog.events) counts.set(distinct_id, (counts.get(distinct_id) ?? 0) + 1);
    expect(new Set(counts.values())).toEqual(new Set([3]));
    expect(counts.size).toBeGreaterThan(200);
    expect(counts.size).toBeLessThan(300);
  });

  it.each([
    [0, 0],
    [1, 20],
  ])('%d keeps %d of 20 anonymous events', async (sampleRate, expected) => {
    const { run, capture } = await bootWith({ sampleRate });
    for (let n = 0; n < 20; n += 1) run(n);
    expect(capture.stats().captured).toBe(expected);
  });
});
