import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { headerOf, type RequestFields, requestOf } from '../../context/call-source.js';
import { currentScope } from '../../context/context-scope.js';
import { type EventDrop, type QueuedEvent } from '../../delivery/delivery.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { isObject } from '../../shared/untrusted-values.js';
import { formatOf } from '../../wire/formats.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';
import { ConditionWaiters } from '../condition-waiters.js';
import { Timers } from '../timers.js';

/**
 * One event as PostHog would have got it, under the names that `capture` has for its fields. Every value is what JSON made of
 * it: a Date is text, and what was `undefined` is not there.
 */
export interface RecordedEvent {
  readonly event: string;
  /** As text, also where a number was given. The random id of an event without a person. */
  readonly distinctId: string;
  /** All of them: what the call, its context and `superProperties` gave, and what the library adds (`$lib`, `$groups`, …). */
  readonly properties: Readonly<Record<string, unknown>>;
  /** What `properties.$groups` holds; `{}` without groups. */
  readonly groups: Readonly<Record<string, string>>;
  /** RFC 3339 in UTC. */
  readonly timestamp: string;
  readonly uuid: string;
  /** The same in PostHog's spelling, as `beforeSend` sees it. Not enumerable, so it does not stand in the way of comparisons. */
  readonly raw: PostHogEvent;
}

/** Reads what was to be sent. */
export function recordedEventOf({ format, payload }: QueuedEvent): RecordedEvent {
  const raw = formatOf(format).decode(JSON.parse(payload));
  const { event, distinct_id: distinctId, properties, timestamp, uuid } = raw;
  const groups = isObject(properties.$groups) ? (properties.$groups as Record<string, string>) : {};
  const recorded = { event, distinctId, properties, groups, timestamp, uuid };
  return Object.defineProperty(recorded, 'raw', { value: raw }) as RecordedEvent;
}

/** The header that brings a request into an isolated recording. */
export const RECORDING_HEADER = 'x-capture-recording';

/** An isolated recording of an application, and those of other instances around it. */
interface Isolation {
  readonly whole: Recording;
  readonly own: Recording;
  readonly around: Isolation | undefined;
}

/** One for both builds: they may share an application. */
const isolations = processSingleton('isolated-recordings', () => new AsyncLocalStorage<Isolation>());

/** What one instance captured and dropped, or the share of it that one test caused. The writing side of CaptureRecorder. */
export class Recording {
  /** Clearing replaces these lists: what was handed out before stays as it is. */
  events: RecordedEvent[] = [];
  dropped: EventDrop[] = [];
  /** How many events were forgotten. */
  cleared = 0;
  readonly id = randomUUID();
  readonly waiters = new ConditionWaiters(new Timers());
  readonly #whole: Recording | undefined;
  readonly #isolated = new Map<string, Recording>();
  readonly #instances: { readonly disabled: boolean }[] = [];

  /**
   * @param name the name of a named instance
   * @param whole the recording that this one is isolated from
   */
  constructor(
    readonly name?: string,
    whole?: Recording,
  ) {
    this.#whole = whole;
  }

  /** Says that an instance writes here. */
  connect(instance: { readonly disabled: boolean }): void {
    this.#instances.push(instance);
  }

  get isIsolated(): boolean {
    return this.#whole !== undefined;
  }

  /** Whether instances write here: none does, all of them are disabled, or some do. */
  get state(): 'unconnected' | 'disabled' | 'recording' {
    const instances = this.#root.#instances;
    if (instances.length === 0) return 'unconnected';
    return instances.every(({ disabled }) => disabled) ? 'disabled' : 'recording';
  }

  /** The other recordings of the same instance. */
  get others(): readonly Recording[] {
    return [this.#root, ...this.#root.#isolated.values()].filter((recording) => recording !== this);
  }

  record(event: RecordedEvent): void {
    const recording = this.#current();
    recording.events.push(event);
    recording.waiters.changed();
  }

  recordDrop(drop: EventDrop): void {
    const recording = this.#current();
    recording.dropped.push(drop);
  }

  clear(): void {
    this.cleared += this.events.length;
    this.events = [];
    this.dropped = [];
  }

  /** Runs a function so that what it and all that it starts capture is recorded apart. */
  isolate<T>(fn: (isolated: Recording) => T): T {
    const whole = this.#root;
    const own = new Recording(this.name, whole);
    whole.#isolated.set(own.id, own);
    return own.enter(() => fn(own));
  }

  /** The isolated recording that a request names by its header. */
  namedBy(request: RequestFields): Recording | undefined {
    return headerOf(request, RECORDING_HEADER, (id) => this.#isolated.get(id));
  }

  /** Runs a function within this recording, which is an isolated one. */
  enter<T>(fn: () => T): T {
    return isolations.run({ whole: this.#root, own: this, around: isolations.getStore() }, fn);
  }

  get #root(): Recording {
    return this.#whole ?? this;
  }

  /**
   * Where what is captured now belongs. What a request names counts first: its connection may well be what another test started,
   * for a server belongs to whoever had it listen. With supertest that is whichever request comes first.
   */
  #current(): Recording {
    const source = currentScope.getStore()?.source;
    const named = source && this.namedBy(requestOf(source));
    if (named !== undefined) return named;
    for (let one = isolations.getStore(); one !== undefined; one = one.around) if (one.whole === this) return one.own;
    return this;
  }
}
