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
 * A captured event as PostHog would receive it, with the field names of `capture`. Values are those of the JSON: a `Date` is a
 * string, and `undefined` properties are absent.
 */
export interface RecordedEvent {
  readonly event: string;
  /** Always a string, even if `capture` was given a number. A random id if the event has no person. */
  readonly distinctId: string;
  /** Includes properties of the context, `superProperties`, and those that the library adds (`$lib`, `$groups`, …). */
  readonly properties: Readonly<Record<string, unknown>>;
  /** Same as `properties.$groups`; `{}` if the event has no groups. */
  readonly groups: Readonly<Record<string, string>>;
  /** RFC 3339 in UTC. */
  readonly timestamp: string;
  readonly uuid: string;
  /** The event in PostHog's spelling (`distinct_id`), as `beforeSend` receives it. Not enumerable, so `toEqual` ignores it. */
  readonly raw: PostHogEvent;
}

export function recordedEventOf({ format, payload }: QueuedEvent): RecordedEvent {
  const raw = formatOf(format).decode(JSON.parse(payload));
  const { event, distinct_id: distinctId, properties, timestamp, uuid } = raw;
  const groups = isObject(properties.$groups) ? (properties.$groups as Record<string, string>) : {};
  const recorded = { event, distinctId, properties, groups, timestamp, uuid };
  return Object.defineProperty(recorded, 'raw', { value: raw }) as RecordedEvent;
}

/** The request header with the id of an isolated recording. */
export const RECORDING_HEADER = 'x-capture-recording';

/** The isolated recordings of the current asynchronous context, innermost first; each belongs to one instance. */
interface IsolationScope {
  readonly root: Recording;
  readonly isolated: Recording;
  readonly outer: IsolationScope | undefined;
}

/** Shared by the ESM and CommonJS builds, which may be loaded in one application. */
const isolationScopes = processSingleton('isolated-recordings', () => new AsyncLocalStorage<IsolationScope>());

/** The data behind a `CaptureRecorder`: what one instance captured and dropped, or the part of it that belongs to one `isolate()`. */
export class Recording {
  /** `clear()` replaces the arrays, so those that were read before stay unchanged. */
  events: RecordedEvent[] = [];
  dropped: EventDrop[] = [];
  /** Number of events removed by `clear()`. */
  cleared = 0;
  readonly id = randomUUID();
  readonly waiters = new ConditionWaiters(new Timers());
  readonly #parent: Recording | undefined;
  readonly #isolated = new Map<string, Recording>();
  readonly #instances: { readonly disabled: boolean }[] = [];

  /**
   * @param name the name of a named instance
   * @param parent the recording of the application, if this one is isolated
   */
  constructor(
    readonly name?: string,
    parent?: Recording,
  ) {
    this.#parent = parent;
  }

  /** Registers an instance that writes to this recording. */
  connect(instance: { readonly disabled: boolean }): void {
    this.#instances.push(instance);
  }

  get isIsolated(): boolean {
    return this.#parent !== undefined;
  }

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
    recording.waiters.check();
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

  /** Runs `fn` with a recording of its own, for everything that it captures, directly or in asynchronous work that it starts. */
  isolate<T>(fn: (isolated: Recording) => T): T {
    const root = this.#root;
    const isolated = new Recording(this.name, root);
    root.#isolated.set(isolated.id, isolated);
    return isolated.run(() => fn(isolated));
  }

  /** The isolated recording whose id is in a header of the request. */
  isolatedBy(request: RequestFields): Recording | undefined {
    return headerOf(request, RECORDING_HEADER, (id) => this.#isolated.get(id));
  }

  /** Runs `fn` in the scope of this recording, which must be isolated. */
  run<T>(fn: () => T): T {
    return isolationScopes.run({ root: this.#root, isolated: this, outer: isolationScopes.getStore() }, fn);
  }

  get #root(): Recording {
    return this.#parent ?? this;
  }

  /**
   * The recording for what is captured now. A header of the current request takes precedence over the asynchronous context: a
   * server's connections run in the context of the test that called `listen()`, which with supertest is that of the first request.
   */
  #current(): Recording {
    const source = currentScope.getStore()?.source;
    const isolated = source && this.isolatedBy(requestOf(source));
    if (isolated !== undefined) return isolated;
    for (let scope = isolationScopes.getStore(); scope !== undefined; scope = scope.outer)
      if (scope.root === this) return scope.isolated;
    return this;
  }
}
