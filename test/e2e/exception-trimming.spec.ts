import { afterEach, describe, expect, it } from '@jest/globals';
import { type CaptureService, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { closeAll, expectBalanced, type Harness, start } from '../support/harness.js';

afterEach(closeAll);

interface Frame {
  readonly function: string;
  readonly filename: string;
  readonly in_app: boolean;
  readonly context_line?: string;
}

interface Entry {
  readonly type: string;
  readonly value: string;
  readonly stacktrace?: { readonly frames: Frame[] };
}

interface Sent {
  /** Of the event as JSON. */
  readonly bytes: number;
  readonly list: Entry[];
  readonly steps: unknown[] | undefined;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The only event that PostHog received after some calls; undefined if there is none. */
async function sentBy(
  maxEventBytes: number,
  act: (capture: CaptureService) => unknown,
  options: PostHogCaptureModuleOptions = {},
): Promise<Harness & { readonly sent: Sent | undefined }> {
  const harness = await start({ maxEventBytes, ...options });
  await act(harness.capture);
  await harness.capture.flush();
  expectBalanced(harness.capture);
  expect(harness.posthog.violations).toEqual([]);
  const event = harness.posthog.events.find(({ event: name }) => name === '$exception');
  if (event === undefined) return { ...harness, sent: undefined };
  const { properties } = event;
  const list = properties.$exception_list as Entry[];
  const steps = properties.$exception_steps as unknown[] | undefined;
  return { ...harness, sent: { bytes: JSON.stringify(event).length, list, steps, properties } };
}

/** An error thrown 30 calls deep. */
function deep(message: string, options?: ErrorOptions): Error {
  const call = (left: number): Error => (left === 0 ? new RangeError(message, options) : call(left - 1));
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 50;
  try {
    return call(30);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function failWithSteps(capture: CaptureService): void {
  capture.withContext({ distinctId: 'u' }, () => {
    for (let n = 0; n < 20; n += 1) capture.step(`step ${n}`, { n });
    capture.captureException(deep('m'.repeat(3000), { cause: deep('the cause') }), {
      properties: { area: 'checkout' },
    });
  });
}

const framesOf = (sent: Sent | undefined): Frame[][] => sent!.list.map(({ stacktrace }) => stacktrace?.frames ?? []);
const withSource = (sent: Sent | undefined): number[] =>
  framesOf(sent).map((frames) => frames.filter((frame) => frame.context_line !== undefined).length);

describe('an error that is larger than maxEventBytes', () => {
  it('has everything where it fits', async () => {
    const { sent, lines } = await sentBy(900 * 1024, failWithSteps);
    expect(withSource(sent)[0]).toBeGreaterThan(20);
    expect(sent!.steps).toHaveLength(20);
    expect(lines).toEqual([]);
  });

  it('loses source lines first, but those of the call that threw last', async () => {
    const { sent, lines } = await sentBy(35_000, failWithSteps);
    expect(sent!.bytes).toBeLessThanOrEqual(35_000);
    expect(withSource(sent)).toEqual([1, 1]);
    expect(framesOf(sent).map((frames) => frames.at(-1)!.context_line)).toEqual([
      expect.stringContaining('new RangeError'),
      expect.stringContaining('new RangeError'),
    ]);
    expect(framesOf(sent).map((frames) => frames.length > 30)).toEqual([true, true]);
    expect(sent!.steps).toHaveLength(20);
    expect(lines.join('\n')).toContain('maxEventBytes (35000 bytes), so it was sent with fewer source lines');
  });

  it('then the oldest steps, then frames in the middle', async () => {
    const { sent, lines } = await sentBy(20_000, failWithSteps);
    expect(sent!.bytes).toBeLessThanOrEqual(20_000);
    expect(withSource(sent)).toEqual([0, 0]);
    expect(sent!.steps).toBeUndefined();
    const [frames] = framesOf(sent);
    expect(frames!.length).toBe(20);
    expect(frames!.at(-1)!.function).toContain('call');
    expect(frames![0]!.function).not.toBe('call');
    expect(sent!.list[0]!.value).toHaveLength(3000);
    expect(lines.join('\n')).toContain('fewer source lines, steps, frames');
  });

  it.each([12_000, 6000, 4000, 2500, 1500])('still arrives with %i bytes', async (maxEventBytes) => {
    const { sent } = await sentBy(maxEventBytes, failWithSteps);
    expect(sent!.bytes).toBeLessThanOrEqual(maxEventBytes);
    expect(sent!.list[0]).toMatchObject({ type: 'RangeError', value: expect.stringMatching(/^m{100}/) });
    expect(framesOf(sent)[0]!.at(-1)!.function).toContain('call');
    expect(sent!.properties).toMatchObject({ area: 'checkout', $exception_type: 'RangeError' });
  });

  it('keeps the first of many causes', async () => {
    let error: Error | undefined;
    for (let n = 49; n >= 0; n -= 1) error = deep(`${n} `.repeat(500), { cause: error });
    const { sent } = await sentBy(8000, (capture) => capture.captureException(error));
    expect(sent!.bytes).toBeLessThanOrEqual(8000);
    expect(sent!.list.map(({ value }) => value.slice(0, 4))).toEqual(['0 0 ', '1 1 ', '2 2 ', '3 3 ', '4 4 ']);
  });

  it('is trimmed after beforeSend as well, and in v1', async () => {
    const { sent } = await sentBy(12_000, failWithSteps, { beforeSend: (event) => event, captureMode: 'v1' });
    expect(sent!.list).toHaveLength(2);
  });

  it('is not trimmed where the application made the event itself', async () => {
    const list = [{ type: 'E', value: 'v', stacktrace: { type: 'raw', frames: Array(400).fill({ function: 'f' }) } }];
    const { capture } = await sentBy(5000, (service) =>
      service.capture({ event: '$exception', distinctId: 'u', properties: { $exception_list: list } }),
    );
    expect(capture.stats().droppedByReason).toEqual({ too_large: 1 });
  });

  it('loses steps of the application that are too large', async () => {
    const { sent } = await sentBy(12_000, (service) =>
      service.captureException(new Error('x'), {
        properties: { $exception_steps: [{ $message: 'm'.repeat(100_000), $timestamp: '2026-11-30T12:00:00Z' }] },
      }),
    );
    expect(sent!.list).toHaveLength(1);
    expect(sent!.steps).toBeUndefined();
  });

  it('is dropped as too_large only if its properties are', async () => {
    const { sent, capture, lines } = await sentBy(10_000, (service) =>
      service.captureException(deep('x'), { properties: { text: 'x'.repeat(11_000) } }),
    );
    expect(sent).toBeUndefined();
    expect(capture.stats().droppedByReason).toEqual({ too_large: 1 });
    expect(lines.join('\n')).not.toContain('so it was sent');
  });
});
