import { plainCopy } from '../shared/untrusted-values.js';
import { type SchemaInput, type SchemaOutput, type StandardSchema } from '../shared/standard-schema.js';
import { checkAgainst } from './check-properties.js';
import { type EventInfo, eventOf, markAsDefined } from './defined-event.js';
import { checkDefinition, shownName } from './check-definition.js';
import { type EventEnvelope } from './event-envelope.js';

/** PostHog's own properties, which are allowed beside those of the schema. */
export type ReservedProperties = Readonly<Record<`$${string}`, unknown>>;

/** An event of a definition, for `capture` and `captureNow`. Its properties are checked there. */
export interface TypedEvent<Name extends string = string, Properties = object> extends EventEnvelope {
  event: Name;
  properties: Properties & Record<string, unknown>;
}

/** The arguments of a defined event. The properties may be left out if none is required. */
export type EventArguments<Properties> =
  Record<string, never> extends Properties
    ? [properties?: Properties & ReservedProperties, envelope?: EventEnvelope]
    : [properties: Properties & ReservedProperties, envelope?: EventEnvelope];

/** A defined event: call it with properties to get an event for `capture`. */
export interface EventDefinition<
  Name extends string = string,
  Schema extends StandardSchema = StandardSchema,
  Info extends EventInfo = EventInfo,
> {
  /**
   * Makes an event from its properties and the other fields: `distinctId`, `groups`, `timestamp`, … Does not check it: `capture` does.
   */
  (...args: EventArguments<SchemaInput<Schema>>): TypedEvent<Name, SchemaInput<Schema>>;
  /** Name of the event. */
  readonly eventName: Name;
  /** The schema of the properties. */
  readonly schema: Schema;
  /** Description, owner, … */
  readonly info: Info;
}

/**
 * Defines an event: its name and a schema of its properties, of any library that implements Standard Schema. `capture` sends the schema's
 * output, with its defaults and conversions.
 *
 * ```ts
 * export const OrderPlaced = defineEvent('order_placed', z.object({ total: z.number() }), { description: 'An order was paid' });
 * capture.capture(OrderPlaced({ total: 3 }, { distinctId: 'user_123' }));
 * ```
 *
 * @param name not blank, at most 200 bytes of UTF-8, and without a leading `$`, which is PostHog's
 * @throws PostHogConfigurationError for an invalid name, schema or description
 */
export function defineEvent<
  const Name extends string,
  Schema extends StandardSchema,
  // The names of all alternatives of a union, before and after the conversions of the schema.
  const Info extends EventInfo<
    SchemaInput<Schema> | SchemaOutput<Schema> extends infer Event
      ? Event extends unknown
        ? keyof Event & string
        : never
      : never
  > = EventInfo<never>,
>(name: Name, schema: Schema, info?: Info): EventDefinition<Name, Schema, Info> {
  const given = checkDefinition(`defineEvent(${shownName(name)})`, name, info, schema) as Info;
  const definition = (properties: unknown, envelope: unknown): object => {
    const event = eventOf(defined, properties ?? {});
    if (envelope !== undefined && envelope !== null) addEnvelope(event, envelope);
    return event;
  };
  const defined = markAsDefined(
    { event: name, info: given, source: { schema }, check: checkAgainst(schema) },
    definition,
  );
  Object.defineProperty(definition, 'name', { value: name });
  return Object.assign(definition, { eventName: name, schema, info: given }) as unknown as EventDefinition<
    Name,
    Schema,
    Info
  >;
}

function addEnvelope(event: { event: string; properties: unknown }, envelope: object): void {
  const { event: name, properties } = event;
  const prototype = Object.getPrototypeOf(event) as object;
  try {
    Object.assign(event, envelope);
  } catch {
    Object.assign(event, plainCopy(envelope));
  }
  // Not the envelope's, which only code without types can give. With a field __proto__, the event would have no definition.
  if (Object.getPrototypeOf(event) !== prototype) Object.setPrototypeOf(event, prototype);
  event.event = name;
  event.properties = properties;
}
