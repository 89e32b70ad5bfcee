import { type EventDrop } from '../../delivery/delivery.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { type ExpectedEvent, checkExpected, differencesOf } from './expected-event.js';
import { type RecordedEvent, type Recording, RECORDING_HEADER } from './recording.js';

/** What to wait for, and how long. */
export interface WaitForOptions {
  /** How many such events there must be. Default: 1. */
  readonly count?: number;
  /** What they must be like, as in `toHaveCaptured`. Default: any event of the name. */
  readonly matching?: ExpectedEvent;
  /** Milliseconds. Default: 2000, less than Jest and Vitest give a test, so that the message is seen. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 2000;

class CaptureRecorderClass {
  readonly #recording: Recording;

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  /** What was captured, oldest first, as soon as `capture` has returned. Everything since the start or the last `clear()`. */
  get events(): readonly RecordedEvent[] {
    return this.#recording.events;
  }

  /** What was dropped and why, oldest first: as `onDrop` is told. */
  get dropped(): readonly EventDrop[] {
    return this.#recording.dropped;
  }

  /**
   * Whether an instance writes to this recorder, be it disabled or not. None does before the builder is compiled, and none in an
   * application that does not import the module.
   */
  get isConnected(): boolean {
    return this.#recording.state !== 'unconnected';
  }

  /**
   * Whether what the application captures now comes here: not where nothing writes to this recorder, nor while it is disabled. Worth
   * expecting once where a test asserts only that something is not captured.
   */
  get isRecording(): boolean {
    return this.#recording.state === 'recording';
  }

  /** The newest event. */
  get last(): RecordedEvent | undefined {
    return this.events.at(-1);
  }

  /** The first event of this name, and, if given, like `matching`. */
  find(event: string, matching?: ExpectedEvent): RecordedEvent | undefined {
    return this.filter(event, matching)[0];
  }

  /** All events of this name, and, if given, like `matching`. */
  filter(event: string, matching?: ExpectedEvent): RecordedEvent[] {
    checkExpected('CaptureRecorder', matching);
    return this.events.filter((one) => one.event === event && differencesOf(one, matching).length === 0);
  }

  /** Forgets what was captured and dropped. */
  clear(): void {
    this.#recording.clear();
  }

  /**
   * Waits for an event that is captured later; one that is there already will do.
   *
   * @returns the event that was waited for: the last one of `count`
   * @throws after `timeoutMs`, with what was captured instead
   */
  async waitFor(event: string, options: WaitForOptions = {}): Promise<RecordedEvent> {
    const { count = 1, matching, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const found = (): RecordedEvent | undefined => this.filter(event, matching)[count - 1];
    await this.#recording.waiters.until(
      () => found() !== undefined,
      timeoutMs,
      () => {
        const so = matching === undefined ? '' : ' as expected';
        return `waited ${timeoutMs} ms for ${count} ${plural('event', count)} "${event}"${so}\n\n${this.summary()}`;
      },
    );
    return found() as RecordedEvent;
  }

  /**
   * Runs a test, or a part of one, with a recorder of its own, which has exactly what the function captures and all that it starts
   * within this process. Other recorders of the application do not have it, so tests may run side by side.
   *
   * An HTTP request that the function sends arrives in another context: send `headers` along.
   *
   * @returns what the function returns
   */
  isolate<T>(fn: (recorder: CaptureRecorder) => T): T {
    return this.#recording.isolate((isolated) => fn(new CaptureRecorder(isolated)));
  }

  /** The headers with which a request belongs to this recorder, if it is one of `isolate()`; else none. */
  get headers(): Readonly<Record<string, string>> {
    const { isIsolated, id } = this.#recording;
    return isIsolated ? { [RECORDING_HEADER]: id } : {};
  }

  /** What was captured and dropped, or why there is nothing, in a few lines: as failure messages show it. */
  summary(): string {
    return summaryOf(this.#recording);
  }
}

/**
 * What one application captured. Injected from PostHogCaptureTestingModule (`moduleRef.get(CaptureRecorder)`), returned by
 * `overrideCapture`, found with `recorderOf`. One class per process, also where the package is loaded both as ESM and as CommonJS.
 */
export const CaptureRecorder = processSingleton('CaptureRecorder', () => CaptureRecorderClass);
export type CaptureRecorder = CaptureRecorderClass;

/** More drops than this are only counted. */
const MAX_DROPS = 5;

/** What a recording holds, and why it may hold nothing, in a few lines. */
export function summaryOf(recording: Recording): string {
  const { events, dropped, cleared, others } = recording;
  const elsewhere = others.flatMap((other) => other.events);
  return [
    ...stateOf(recording),
    `Captured: ${countNames(events)}`,
    ...(cleared > 0 ? [`Before clear(): ${cleared} ${plural('event', cleared)}`] : []),
    ...(elsewhere.length > 0
      ? [`${recording.isIsolated ? 'Not in this' : 'In an'} isolate(): ${countNames(elsewhere)}`]
      : []),
    dropped.length > 0 ? 'Dropped:' : 'Dropped: nothing',
    ...dropped
      .slice(0, MAX_DROPS)
      .map(({ reason, event, detail }) => `  ${JSON.stringify(event)} (${reason}): ${detail}`),
    ...(dropped.length > MAX_DROPS ? [`  and ${dropped.length - MAX_DROPS} more`] : []),
  ].join('\n');
}

/** `order_placed (2), page_view (1)`, in the order of their first. */
function countNames(events: readonly { readonly event: string }[]): string {
  const counts = new Map<string, number>();
  for (const { event } of events) counts.set(event, (counts.get(event) ?? 0) + 1);
  return counts.size === 0 ? 'nothing' : [...counts].map(([event, count]) => `${event} (${count})`).join(', ');
}

function stateOf({ state, name }: Recording): string[] {
  if (state === 'recording') return [];
  if (state === 'disabled') {
    return [
      'The instance is disabled, by option enabled or by disable(), and captures nothing. ' +
        'Where code says enabled: false, overrideCapture(builder, { enabled: true }) turns it on.',
    ];
  }
  const module = name === undefined ? 'PostHogCaptureModule' : `PostHogCaptureModule with the name "${name}"`;
  return [
    `No instance writes to this recorder. Does the application import ${module}, and was the builder compiled after overrideCapture()?`,
  ];
}

export const plural = (noun: string, count: number): string => (count === 1 ? noun : `${noun}s`);
