import { Inject, Optional } from '@nestjs/common';
import { processWide } from '../process-wide.js';
import { isTracker, runningTrackers, Tracker } from './tracker.js';

/** Nest sets this on every instance that it makes of a decorated class, also for one request. */
const INJECTED = Symbol.for('nestjs-posthog-capture:tracker');

/** The tracker of the application that an object belongs to; null: of none. */
const owners = processWide('owners', () => new WeakMap<object, Tracker | null>());

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
  const known = owners.get(object);
  if (known !== undefined) return known ?? undefined;
  // Made by a factory, so Nest could not tell it.
  const trackers = runningTrackers();
  const owner = trackers.find((tracker) => tracker.holds(object));
  if (owner !== undefined || (trackers.length > 0 && trackers.every(({ isBooted }) => isBooted))) {
    owners.set(object, owner ?? null);
  }
  return owner;
}
