import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit, Optional } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { type CaptureService } from '../capture/capture.service.js';
import { awaitCallsAtShutdown } from '../capture/open-calls.js';
import { type TrackContext } from '../context/track-context.js';
import { processClass, processSingleton } from '../shared/process-singleton.js';
import { captureCall } from './call/capture-call.js';
import { type TrackedEvent } from './call/track-event.options.js';
import { settingsOf, type TrackingApp, type TrackingInstance } from './call/tracking-instance.js';
import { ErrorSources } from './exceptions/error-sources.js';
import { ExceptionObserver } from './exceptions/exception-observer.js';
import { wrapTasks } from './exceptions/task-methods.js';
import { captureTasks } from './exceptions/tasks.js';
import { HttpTracking } from './http/http-tracking.js';
import { type RawResponse, type ResponseEnd } from './http/response-end.js';
import { giveBackCalls } from './http/route-calls.js';
import { contextsWanted, freeStreamCalls, prepareMessages } from './propagation/message-contexts.js';

/** The trackers of all applications in this process. Weak, because a test may forget to close its application. */
const running = processSingleton('trackers', () => new Set<WeakRef<TrackerClass>>());
/** Distinguishes trackers from stand-ins that a test's auto-mocking injects. */
const genuine = processSingleton('genuine-trackers', () => new WeakSet());
/** Incremented when an application is created, and when all its providers are: earlier look-ups may then be outdated. */
const applications = processSingleton('applications', () => ({ generation: 0 }));

@Injectable()
class TrackerClass implements TrackingApp, OnModuleInit, OnApplicationShutdown {
  /** Every part of tracking that sees errors tells it of them. */
  readonly exceptions = new ExceptionObserver();
  readonly #instances = new Map<string | undefined, TrackingInstance>();
  readonly #modules: ModulesContainer;
  readonly #host: HttpAdapterHost | undefined;
  readonly #http: HttpTracking;
  readonly #errors: ErrorSources;
  #opening: Promise<void> | undefined;
  readonly #self = new WeakRef(this);
  #opensContexts = false;

  constructor(
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Optional() @Inject(HttpAdapterHost) host?: HttpAdapterHost,
  ) {
    this.#modules = modules;
    this.#host = host;
    this.#http = new HttpTracking(this, () => host?.httpAdapter);
    this.#errors = new ErrorSources(this);
    // Before Nest reads their metadata to register handlers.
    freeStreamCalls(modules);
    running.add(this.#self);
    genuine.add(this);
    applications.generation += 1;
  }

  /** Called at boot for each instance. Of several with the same name the first is used. */
  register(name: string | undefined, capture: CaptureService): void {
    const settings = settingsOf(capture);
    const instance: TrackingInstance = { capture, settings };
    if (this.#instances.has(name)) {
      settings.warn(
        'track: instances',
        'PostHogCaptureModule is imported twice with the same name: @TrackEvent and requests use the first. Give one of them another name.',
      );
      return;
    }
    this.#instances.set(name, instance);
    awaitCallsAtShutdown(capture, () => this.#http.callsEnded());
    if (settings.context) {
      this.#opensContexts = true;
      contextsWanted.add(this.#self);
      prepareMessages(this.#modules);
    }
    this.exceptions.register(instance);
    this.#observeTasks();
    this.#http.register(instance);
  }

  /** The instances of the application. */
  get captures(): readonly CaptureService[] {
    return Array.from(this.#instances.values(), ({ capture }) => capture);
  }

  /** Resolves when the errors of the application can be seen, which must be before Nest registers handlers. */
  async seeErrors(): Promise<void> {
    if (this.exceptions.isActive) await (this.#opening ??= this.#errors.open(this.#modules));
  }

  get opensContexts(): boolean {
    return this.#opensContexts;
  }

  /** Calls the listener once when a response ends. Must not throw. */
  onResponseEnd(response: RawResponse, listener: (end: ResponseEnd) => void): void {
    this.#http.onResponseEnd(response, listener);
  }

  wanted(events: readonly TrackedEvent[]): readonly TrackedEvent[] {
    return events.every((event) => this.#wants(event)) ? events : events.filter((event) => this.#wants(event));
  }

  readonly capture = (event: TrackedEvent, context: TrackContext): void => {
    const instance = this.#instances.get(event.name);
    if (instance === undefined || instance.capture.disabled) return;
    try {
      captureCall(event, context, instance);
    } catch {
      instance.settings.warn('track: capture', `@TrackEvent("${event.event}") could not capture its event.`);
    }
  };

  readonly warn = (kind: string, text: string): void => {
    const [instance] = this.#instances.values();
    instance?.settings.warn(kind, text);
  };

  /** Logs an invalid part of a context that a message or a job carries. */
  readonly warnOfContext = (warning: string): void => this.warn(`context: ${warning}`, `Context: ${warning}.`);

  /** True for the controllers and providers of the application. */
  holds(object: unknown): boolean {
    for (const { providers, controllers } of this.#modules.values()) {
      for (const { instance } of [...providers.values(), ...controllers.values()]) if (instance === object) return true;
    }
    return false;
  }

  /** True if an instance of the class is created for each request or job. */
  hasScoped(type: unknown): boolean {
    for (const { providers, controllers } of this.#modules.values())
      for (const wrapper of [...providers.values(), ...controllers.values()])
        if (wrapper.metatype === type && !wrapper.isDependencyTreeStatic()) return true;
    return false;
  }

  /** Must be called just before Nest registers middleware and routes. */
  prepareRoutes(ownModule: object): void {
    this.#observeTasks();
    this.#http.prepareRoutes(this.#modules);
    this.#errors.prepare(this.#modules, ownModule, this.#host?.httpAdapter);
  }

  onModuleInit(): void {
    applications.generation += 1;
    this.#observeTasks();
    giveBackCalls(this.#modules);
    this.#http.hookRoutes();
  }

  onApplicationShutdown(): void {
    // If the boot failed in between.
    giveBackCalls(this.#modules);
    running.delete(this.#self);
    contextsWanted.delete(this.#self);
  }

  /** Must be called before libraries look for jobs, schedules and event handlers, which most do in `onModuleInit`. */
  #observeTasks(): void {
    if (this.exceptions.isActive) wrapTasks(this.#modules, taskListener);
  }

  #wants({ event, name }: TrackedEvent): boolean {
    const instance = this.#instances.get(name);
    if (instance !== undefined) return !instance.capture.disabled;
    this.warn(
      `track: instance ${name ?? ''}`,
      name === undefined
        ? `@TrackEvent("${event}") has no instance to capture with: import PostHogCaptureModule.forRoot() without a name, or choose an instance with { name }.`
        : `@TrackEvent("${event}") names the instance "${name}", which does not exist: import PostHogCaptureModule.forRoot({ name: "${name}" }).`,
    );
    return false;
  }
}

/** The instances of one application, and what is common to its calls. One per application. */
export const Tracker = processClass('Tracker', TrackerClass);
export type Tracker = TrackerClass;

export const isTracker = (value: unknown): value is Tracker =>
  typeof value === 'object' && value !== null && genuine.has(value);

/** A property of decorated classes that Nest sets on each of their instances, including request-scoped ones. */
const INJECTED = Symbol.for('nestjs-posthog-capture:tracker');

const injected = processSingleton('owners', () => new WeakMap<object, Tracker>());
/** Look-ups by search, valid for one generation of applications. */
const found = processSingleton(
  'found-owners',
  () => new WeakMap<object, { tracker: Tracker | undefined; generation: number }>(),
);

/** Has Nest inject the tracker into all instances of a class. Where our module is absent, nothing is injected. */
export function injectTracker(prototype: object): void {
  if (INJECTED in prototype) return;
  // An accessor, so that instances get no visible property.
  Object.defineProperty(prototype, INJECTED, {
    configurable: true,
    get(this: object) {
      return injected.get(this);
    },
    set(this: object, tracker: unknown) {
      if (isTracker(tracker)) injected.set(this, tracker);
    },
  });
  Inject(Tracker)(prototype, INJECTED);
  Optional()(prototype, INJECTED);
}

/** The tracker of the application that an object belongs to. */
export function trackerOf(object: unknown): Tracker | undefined {
  if (typeof object !== 'object' || object === null) return undefined;
  const own = injected.get(object);
  if (own !== undefined) return own;
  // Created by a factory, so nothing was injected.
  const known = found.get(object);
  if (known?.generation === applications.generation) return known.tracker;
  const tracker = runningTrackers().find((one) => one.holds(object));
  found.set(object, { tracker, generation: applications.generation });
  return tracker;
}

/** For tasks. An instance that was created for one job cannot be found in its application, but its class can. */
function observerOf(object: object): ExceptionObserver | undefined {
  const tracker = trackerOf(object) ?? runningTrackers().find((one) => one.hasScoped(object.constructor));
  return tracker?.exceptions;
}

const taskListener = captureTasks(observerOf);

/** The trackers of the applications that have not been shut down. */
function runningTrackers(): Tracker[] {
  const alive: Tracker[] = [];
  for (const reference of running) {
    const tracker = reference.deref();
    if (tracker === undefined) running.delete(reference);
    else alive.push(tracker);
  }
  return alive;
}
