import { Inject, Optional } from '@nestjs/common';
import { processSingleton } from '../shared/process-singleton.js';
import { applications, isTracker, runningTrackers, Tracker } from './tracker.js';

/** Nest sets this on every instance that it makes of a decorated class, also for one request. */
const INJECTED = Symbol.for('nestjs-posthog-capture:tracker');

/** The trackers that Nest told. */
const owners = processSingleton('owners', () => new WeakMap<object, Tracker>());
/** Those that were looked up, good until another application comes. */
const found = processSingleton('found-owners', () => new WeakMap<object, { owner: Tracker | undefined; at: number }>());

/** Has Nest tell instances of a class which application they belong to. Where our module is absent, it tells nothing. */
export function injectOwner(prototype: object): void {
  if (INJECTED in prototype) return;
  // An accessor, so that instances get no property that anybody could see.
  Object.defineProperty(prototype, INJECTED, {
    configurable: true,
    get(this: object) {
      return owners.get(this);
    },
    set(this: object, tracker: unknown) {
      if (isTracker(tracker)) owners.set(this, tracker);
    },
  });
  Inject(Tracker)(prototype, INJECTED);
  Optional()(prototype, INJECTED);
}

/** The tracker of the application that an object belongs to. */
export function ownerOf(object: unknown): Tracker | undefined {
  if (typeof object !== 'object' || object === null) return undefined;
  const told = owners.get(object);
  if (told !== undefined) return told;
  // Made by a factory, so Nest could not tell it.
  const known = found.get(object);
  if (known?.at === applications.generation) return known.owner;
  const owner = runningTrackers().find((tracker) => tracker.holds(object));
  found.set(object, { owner, at: applications.generation });
  return owner;
}
