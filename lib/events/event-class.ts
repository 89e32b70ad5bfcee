import { validateSync, type ValidationError } from 'class-validator';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { pathsOf, type SchemaIssue } from '../shared/standard-schema.js';
import { setOwn } from '../shared/untrusted-values.js';
import { checkDefinition, shownName } from './check-definition.js';
import { type CheckedProperties, refused, reservedOf, withoutReserved } from './check-properties.js';
import { type EventClass, type EventInfo, markAsDefined } from './defined-event.js';

/** The properties of an event class: its fields without its methods. Use it as the type of the constructor's parameter. */
export type Props<T> = {
  -readonly [Name in keyof T as T[Name] extends (...args: never) => unknown ? never : Name]: T[Name];
};

const PII = Symbol.for('nestjs-posthog-capture:pii');

/**
 * Marks a property of a class with `@Event` as one that identifies a person: see option `events.pii`.
 */
export function Pii(): PropertyDecorator {
  return (target, name) => {
    const names = piiOf(target);
    Object.defineProperty(target, PII, { value: [...names, String(name)], configurable: true });
  };
}

/**
 * Defines an event by a class whose properties have decorators of class-validator.
 *
 * ```ts
 * @Event('order_placed', { description: 'An order was paid' })
 * class OrderPlaced {
 *   @IsNumber() total!: number;
 *   constructor(properties: Props<OrderPlaced>) {
 *     Object.assign(this, properties);
 *   }
 * }
 * capture.capture(new OrderPlaced({ total: 3 }), { distinctId: 'user_123' });
 * ```
 *
 * @param name not blank, at most 200 bytes of UTF-8, and without a leading `$`, which is PostHog's
 * @throws PostHogConfigurationError when the class is loaded, for an invalid name or description
 */
export function Event(name: string, info: EventInfo = {}): ClassDecorator {
  return (target) => {
    const type = target as unknown as EventClass;
    const where = `@Event(${shownName(name)})`;
    if (typeof target !== 'function') throw new PostHogConfigurationError([`${where}: decorate a class`]);
    const given = checkDefinition(`${where} on ${target.name}`, name, info);
    const prototype = target.prototype as object;
    const pii = [...new Set([...(given.pii ?? []), ...piiOf(prototype)])];
    markAsDefined(
      {
        event: name,
        info: Object.freeze({ ...given, ...(pii.length > 0 && { pii }) }),
        source: { type },
        check: (properties) => checkInstance(prototype, properties),
      },
      target,
      prototype,
    );
  };
}

function piiOf(prototype: object): readonly string[] {
  return (prototype as { readonly [PII]?: readonly string[] })[PII] ?? [];
}

/** class-validator finds the rules by the prototype. The instance itself is not used: its constructor may do anything. */
function checkInstance(prototype: object, given: Readonly<Record<string, unknown>>): CheckedProperties {
  try {
    const reserved = reservedOf(given);
    const properties = reserved === null ? given : withoutReserved(given);
    const instance = Object.create(prototype) as Record<string, unknown>;
    // Another constructor or prototype would have other rules.
    for (const name of Object.keys(properties)) if (name !== 'constructor') setOwn(instance, name, properties[name]);
    const errors = validateSync(instance, { forbidUnknownValues: false });
    return errors.length === 0
      ? { ok: true, properties: given }
      : refused(pathsOf(errors.flatMap((error) => issuesOf(error, []))));
  } catch {
    return refused('its class or one of its rules threw');
  }
}

function issuesOf({ property, target, children = [] }: ValidationError, before: readonly PropertyKey[]): SchemaIssue[] {
  const path = [...before, Array.isArray(target) ? Number(property) : property];
  return children.length === 0 ? [{ message: '', path }] : children.flatMap((child) => issuesOf(child, path));
}
