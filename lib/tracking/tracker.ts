import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit, Optional } from '@nestjs/common';
import { HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { type CaptureService } from '../capture/capture.service.js';
import { processSingleton } from '../shared/process-singleton.js';
import { freeStreamCalls, prepareMessages, prepareRoutes } from './http/routes.js';
import { HttpTracking } from './http/http-tracking.js';
import { contextsWanted } from './propagation/message-contexts.js';
import { track, type TrackingInstance } from './call/track.js';
import { type TrackContext, type TrackedEvent } from './call/track-event.options.js';
import { settingsOf } from './call/tracking-instance.js';

/** The trackers of all applications that run in this process. Weak, because a test may forget to close its application. */
const running = processSingleton('trackers', () => new Set<WeakRef<TrackerClass>>());
/** Tells a tracker from what a test's auto-mocking injects in its place. */
const genuine = processSingleton('genuine-trackers', () => new WeakSet());

/** Counts the applications that came, and those whose providers are all made: what was looked up before may have changed. */
export const applications = processSingleton('applications', () => ({ generation: 0 }));

@Injectable()
class TrackerClass implements OnModuleInit, OnApplicationShutdown {
  readonly #instances = new Map<string | undefined, TrackingInstance>();
  readonly #modules: ModulesContainer;
  readonly #http: HttpTracking;
  readonly #self = new WeakRef(this);
  #opensContexts = false;

  constructor(
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Optional() @Inject(HttpAdapterHost) host?: HttpAdapterHost,
  ) {
    this.#modules = modules;
    this.#http = new HttpTracking(this, () => host?.httpAdapter);
    // Before Nest reads them to register handlers.
    freeStreamCalls(modules);
    if (prepareRoutes(modules, false)) this.#http.watchRoutes();
    running.add(this.#self);
    genuine.add(this);
    applications.generation += 1;
  }

  /** Makes an instance known, at boot. Of several default ones the first counts. */
  register(name: string | undefined, capture: CaptureService): void {
    const settings = settingsOf(capture);
    const instance: TrackingInstance = { capture, settings };
    if (this.#instances.has(name)) {
      settings.warn(
        'track: instances',
        'PostHogCaptureModule is imported twice with the same name: @TrackEvent and requests use the first. Give one of them a name.',
      );
      return;
    }
    this.#instances.set(name, instance);
    if (settings.context) {
      this.#opensContexts = true;
      contextsWanted.add(this.#self);
      prepareMessages(this.#modules);
      if (this.#http.canWatchRoutes && prepareRoutes(this.#modules, true)) this.#http.watchRoutes();
    }
    this.#http.register(instance);
  }

  /** Whether requests, messages and jobs are given a context. */
  get opensContexts(): boolean {
    return this.#opensContexts;
  }

  /** Those of a method's events that some instance captures. */
  wanted(events: readonly TrackedEvent[]): readonly TrackedEvent[] {
    return events.every((event) => this.#wants(event)) ? events : events.filter((event) => this.#wants(event));
  }

  /** Captures one event of a call. Must run in its context. Never throws. */
  readonly capture = (event: TrackedEvent, context: TrackContext): void => {
    const instance = this.#instances.get(event.instance);
    if (instance === undefined || instance.capture.disabled) return;
    try {
      track(event, context, instance);
    } catch {
      instance.settings.warn('track: capture', `@TrackEvent("${event.event}") could not capture its event.`);
    }
  };

  /** Writes a line, at most one per kind and minute. */
  readonly warn = (kind: string, text: string): void => {
    const [instance] = this.#instances.values();
    instance?.settings.warn(kind, text);
  };

  /** Writes what is wrong in a context that came with a call. */
  readonly warnOfContext = (warning: string): void => this.warn(`context: ${warning}`, `Context: ${warning}.`);

  /** Whether an object is one of the application's own that were not made from a class, so that nothing was injected into them. */
  holds(object: unknown): boolean {
    for (const { providers, controllers } of this.#modules.values()) {
      for (const { instance } of [...providers.values(), ...controllers.values()]) if (instance === object) return true;
    }
    return false;
  }

  onModuleInit(): void {
    applications.generation += 1;
    this.#http.routesAreKnown();
  }

  onApplicationShutdown(): void {
    running.delete(this.#self);
    contextsWanted.delete(this.#self);
  }

  #wants({ event, instance: name }: TrackedEvent): boolean {
    const instance = this.#instances.get(name);
    if (instance !== undefined) return !instance.capture.disabled;
    this.warn(
      `track: instance ${name ?? ''}`,
      name === undefined
        ? `@TrackEvent("${event}") has no instance to capture with: import PostHogCaptureModule.forRoot() without a name, or say which with { instance }.`
        : `@TrackEvent("${event}") names the instance "${name}", which does not exist: import PostHogCaptureModule.forRoot({ name: "${name}" }).`,
    );
    return false;
  }
}

/**
 * What one application knows of its instances and of its calls. One per application; one class per process, also where the package
 * is loaded both as ESM and as CommonJS.
 */
export const Tracker = processSingleton('Tracker', () => TrackerClass);
export type Tracker = TrackerClass;

/** The trackers of the applications that have not been shut down. */
export function runningTrackers(): Tracker[] {
  const alive: Tracker[] = [];
  for (const reference of running) {
    const tracker = reference.deref();
    if (tracker === undefined) running.delete(reference);
    else alive.push(tracker);
  }
  return alive;
}

export const isTracker = (value: unknown): value is Tracker =>
  typeof value === 'object' && value !== null && genuine.has(value);
