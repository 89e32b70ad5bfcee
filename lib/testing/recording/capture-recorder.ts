import { type EventDrop } from '../../delivery/delivery.js';
import { processClass } from '../../shared/process-singleton.js';
import { type ExpectedEvent, checkExpected, differencesOf } from './expected-event.js';
import { type RecordedEvent, type Recording, RECORDING_HEADER } from './recording.js';

/** Options of `CaptureRecorder.waitFor`. */
export interface WaitForOptions {
  /** Number of matching events to wait for. Default: 1. */
  readonly count?: number;
  /** Expected fields, as for `toHaveCaptured`. Default: any event with the name. */
  readonly matching?: ExpectedEvent;
  /** Milliseconds. Default: 2000, which is below the test timeout of Jest and Vitest, so that this error is reported. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 2000;
/** Number of dropped events that a summary describes. */
const MAX_DROPS = 5;

class CaptureRecorderClass {
  readonly #recording: Recording;

  /** @internal */
  constructor(recording: Recording) {
    this.#recording = recording;
  }

  /** Captured events since the last `clear()`, oldest first. An event is listed as soon as `capture` returns. */
  get events(): readonly RecordedEvent[] {
    return this.#recording.events;
  }

  /** Dropped events since the last `clear()`, oldest first, as passed to `onDrop`. */
  get dropped(): readonly EventDrop[] {
    return this.#recording.dropped;
  }

  /**
   * True if an instance, even a disabled one, writes to this recorder. False before the builder is compiled, and if the application
   * does not import PostHogCaptureModule.
   */
  get isConnected(): boolean {
    return this.#recording.state !== 'unconnected';
  }

  /**
   * True if this recorder is connected and the instance is not disabled. Tests with only negative assertions should check it once:
   *
   * ```ts
   * expect(recorder.isRecording).toBe(true);
   * expect(recorder).not.toHaveCaptured('purchase_completed');
   * ```
   */
  get isRecording(): boolean {
    return this.#recording.state === 'recording';
  }

  /** The newest event. */
  get last(): RecordedEvent | undefined {
    return this.events.at(-1);
  }

  /** The first event with this name that matches `matching`, if given. */
  find(event: string, matching?: ExpectedEvent): RecordedEvent | undefined {
    return this.filter(event, matching)[0];
  }

  /** All events with this name that match `matching`, if given. */
  filter(event: string, matching?: ExpectedEvent): RecordedEvent[] {
    checkExpected('CaptureRecorder', matching);
    return this.events.filter((one) => one.event === event && differencesOf(one, matching).length === 0);
  }

  /** Empties `events` and `dropped`. Arrays that were read before stay unchanged. */
  clear(): void {
    this.#recording.clear();
  }

  /**
   * Waits until an event with this name has been captured. Resolves immediately if there is one already.
   *
   * ```ts
   * const event = await recorder.waitFor('order_shipped', { matching: { distinctId: 'user_1' } });
   * ```
   *
   * @returns the event, or the last one if `count` is given
   * @throws after `timeoutMs`, with a summary of what was captured
   */
  async waitFor(event: string, options: WaitForOptions = {}): Promise<RecordedEvent> {
    const { count = 1, matching, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const found = (): RecordedEvent | undefined => this.filter(event, matching)[count - 1];
    await this.#recording.waiters.until(
      () => found() !== undefined,
      timeoutMs,
      () => {
        const expected = `${count} ${matching === undefined ? '' : 'matching '}${plural('event', count)} "${event}"`;
        return `Timed out after ${timeoutMs} ms waiting for ${expected}.\n\n${this.summary()}`;
      },
    );
    return found() as RecordedEvent;
  }

  /**
   * Runs `fn` with a separate recorder, for tests that run concurrently. It records what `fn` captures, and what the asynchronous work
   * that `fn` starts captures; this recorder does not. HTTP requests must send `headers`, because a server handles them in
   * another asynchronous context.
   *
   * ```ts
   * it.concurrent('captures the purchase', () =>
   *   recorder.isolate(async (own) => {
   *     await fetch(url, { method: 'POST', headers: own.headers });
   *     expect(own).toHaveCaptured('purchase_completed');
   *   }),
   * );
   * ```
   *
   * @returns the return value of `fn`
   */
  isolate<T>(fn: (recorder: CaptureRecorder) => T): T {
    return this.#recording.isolate((isolated) => fn(new CaptureRecorder(isolated)));
  }

  /** Request headers that assign a request to this recorder; `{}` unless it was created by `isolate()`. */
  get headers(): Readonly<Record<string, string>> {
    const { isIsolated, id } = this.#recording;
    return isIsolated ? { [RECORDING_HEADER]: id } : {};
  }

  /** Lists captured and dropped events, as in failure messages. */
  summary(): string {
    return summaryOf(this.#recording);
  }
}

/**
 * Records what an application captures. PostHogCaptureTestingModule provides it, `overrideCapture` returns it, and `recorderOf(app)`
 * finds either.
 *
 * ```ts
 * const recorder = module.get(CaptureRecorder);
 * expect(recorder.events).toHaveLength(1);
 * expect(recorder.find('purchase_completed')?.properties.price).toBe(99.99);
 * ```
 *
 * @class
 */
export const CaptureRecorder = processClass('CaptureRecorder', CaptureRecorderClass);
export interface CaptureRecorder extends CaptureRecorderClass {}

function summaryOf(recording: Recording): string {
  const { events, dropped, cleared, others } = recording;
  const elsewhere = others.flatMap((other) => other.events);
  return [
    ...stateOf(recording),
    `Captured: ${namesWithCounts(events)}`,
    ...(cleared > 0 ? [`Before clear(): ${cleared} ${plural('event', cleared)}`] : []),
    ...(elsewhere.length > 0
      ? [`${recording.isIsolated ? 'Not in this' : 'In an'} isolate(): ${namesWithCounts(elsewhere)}`]
      : []),
    dropped.length > 0 ? 'Dropped:' : 'Dropped: nothing',
    ...dropped
      .slice(0, MAX_DROPS)
      .map(({ reason, event, detail }) => `  ${JSON.stringify(event)} (${reason}): ${detail}`),
    ...(dropped.length > MAX_DROPS ? [`  and ${dropped.length - MAX_DROPS} more`] : []),
  ].join('\n');
}

/** For example `order_placed (2), page_view (1)`. */
function namesWithCounts(events: readonly { readonly event: string }[]): string {
  const counts = new Map<string, number>();
  for (const { event } of events) counts.set(event, (counts.get(event) ?? 0) + 1);
  return counts.size === 0 ? 'nothing' : [...counts].map(([event, count]) => `${event} (${count})`).join(', ');
}

function stateOf({ state, name }: Recording): string[] {
  if (state === 'recording') return [];
  if (state === 'disabled') {
    return [
      'The instance is disabled, by the option enabled or by disable(), and captures nothing. ' +
        'overrideCapture(builder, { enabled: true }) overrides enabled: false.',
    ];
  }
  const module = name === undefined ? 'PostHogCaptureModule' : `PostHogCaptureModule with the name "${name}"`;
  return [
    `No instance writes to this recorder. Does the application import ${module}, and was the builder compiled after overrideCapture()?`,
  ];
}

export const plural = (noun: string, count: number): string => (count === 1 ? noun : `${noun}s`);
