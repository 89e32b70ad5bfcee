import { rememberPersonal } from '../shared/personal-properties.js';
import { type StandardSchema } from '../shared/standard-schema.js';
import { type EventLimit } from './event-limit.js';
import { type CheckedProperties } from './check-properties.js';

/** The description of an event, apart from its properties. */
export interface EventInfo<Property extends string = string> {
  /** One sentence: when the event happens. */
  readonly description?: string;
  /** The team or person that is responsible for it. */
  readonly owner?: string;
  /** Properties that identify a person: see option `events.pii`. The inspector never shows their values. */
  readonly pii?: readonly Property[];
  /** What to use instead. The first such event logs a warning. */
  readonly deprecated?: string;
  /** Version of the definition. */
  readonly version?: number;
  /** Share of persons whose events are kept, from 0 to 1. Option `limits` takes precedence. Default: 1. */
  readonly sampleRate?: number;
  /** Other limits of its events. Fields that option `limits` sets for this event take precedence. Default: unlimited. */
  readonly limit?: Omit<EventLimit, 'sampleRate'>;
}

/** A class, which may be abstract. */
export type EventClass<T extends object = object> = abstract new (...args: never) => T;

/** A definition of an event, made by `defineEvent` or `@Event`. */
export interface DefinedEvent {
  readonly event: string;
  readonly info: EventInfo;
  /** The schema, or the class with `@Event`. */
  readonly source: { readonly schema: StandardSchema } | { readonly type: EventClass };
  /** Checks the properties of one event. Never throws. */
  readonly check: (properties: Readonly<Record<string, unknown>>) => CheckedProperties;
  /** Prototype of the events that are made from it. */
  readonly prototype: object;
}

/** Shared by both builds of the package: an application may define its events with one and capture them with the other. */
const DEFINED_EVENT = Symbol.for('nestjs-posthog-capture:defined-event');

/** @param holders are marked as belonging to the definition, as its `prototype` is */
export function markAsDefined(definition: Omit<DefinedEvent, 'prototype'>, ...holders: object[]): DefinedEvent {
  rememberPersonal(definition.event, definition.info.pii ?? []);
  const prototype = {};
  const defined: DefinedEvent = { ...definition, prototype };
  for (const holder of [prototype, ...holders])
    Object.defineProperty(holder, DEFINED_EVENT, { value: defined, configurable: true });
  return defined;
}

/**
 * The definition of a result of `defineEvent`, of a class with `@Event`, or of an event of either; undefined for everything else. Never
 * throws.
 */
export function definedEventOf(value: object): DefinedEvent | undefined {
  try {
    return (value as { readonly [DEFINED_EVENT]?: DefinedEvent })[DEFINED_EVENT];
  } catch {
    // A proxy that throws for symbols may still be an event.
    return undefined;
  }
}

/** True for `new OrderPlaced(…)`, whose own fields are the properties. False for an event with a field `properties`. */
export function isInstanceOf({ source }: DefinedEvent, value: object): boolean {
  return 'type' in source && Object.prototype.isPrototypeOf.call(source.type.prototype as object, value);
}

/** True for an event that was made by calling the definition: it is a plain object but for its prototype. */
export function isMadeFrom({ prototype }: DefinedEvent, value: object): boolean {
  try {
    return Object.getPrototypeOf(value) === prototype;
  } catch {
    return false;
  }
}

/** An event that is checked against the definition. */
export function eventOf<P>(defined: DefinedEvent, properties: P): { event: string; properties: P } {
  const event = Object.create(defined.prototype) as { event: string; properties: P };
  event.event = defined.event;
  event.properties = properties;
  return event;
}
