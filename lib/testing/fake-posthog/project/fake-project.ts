import { randomUUID } from 'node:crypto';
import { type FaultScript, type FlagsFault } from '../faults.js';
import { FakeEndpoint } from '../flags/fake-flags.js';
import { type Memory } from '../memory.js';

/** An event definition of a `FakeProject`, as PostHog's REST API has it. */
export interface FakeEventDefinition {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly enforcement_mode: 'allow' | 'reject';
}

/** A property in a group of a `FakeProject`. */
export interface FakeGroupProperty {
  readonly name: string;
  readonly property_type: 'DateTime' | 'String' | 'Numeric' | 'Boolean' | 'Object';
  readonly is_required: boolean;
  readonly description: string;
}

/** A property group of a `FakeProject`. */
export interface FakePropertyGroup {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly properties: readonly FakeGroupProperty[];
}

/** The link between an event definition and a property group of a `FakeProject`. */
export interface FakeEventSchema {
  readonly id: string;
  /** `id` of the event definition. */
  readonly event_definition: string;
  /** `id` of the property group. */
  readonly property_group: string;
}

/** A `FakeEventDefinition` to add. Only the name is required. */
export type NewEventDefinition = Pick<FakeEventDefinition, 'name'> & Partial<Omit<FakeEventDefinition, 'id'>>;

/** A `FakePropertyGroup` to add, and the names of the events that have it. */
export interface NewPropertyGroup {
  readonly name: string;
  readonly description?: string;
  readonly properties?: readonly (Pick<FakeGroupProperty, 'name' | 'property_type'> & Partial<FakeGroupProperty>)[];
  /** Events that are not defined yet are added. */
  readonly events?: readonly string[];
}

/**
 * The project of a `FakePostHog`: event definitions, property groups, and the links between them, at
 * `/api/projects/<id>/event_definitions/`, `schema_property_groups/` and `event_schemas/`. Stricter than PostHog: unknown fields are refused.
 *
 * ```ts
 * posthog.project.addGroup({ name: 'order', properties: [{ name: 'total', property_type: 'Numeric' }], events: ['order_placed'] });
 * posthog.project.fail([{ status: 503 }]);
 * ```
 */
export class FakeProject extends FakeEndpoint {
  /** Requests to other projects get a 404. Default: `1`. */
  id = '1';
  /** The only accepted personal API key; null: any that starts with `phx_`. Default: null. */
  personalApiKey: string | null = null;
  /** Scopes of the personal API key. Default: `event_definition:read` and `event_definition:write`. */
  scopes: readonly string[] = ['event_definition:read', 'event_definition:write'];
  /** false: as a deployment without a license, which refuses descriptions. Default: true. */
  hasDescriptions = true;
  /** true: `event_schemas` refuses personal API keys, as some versions of PostHog do. Default: false. */
  hasPrivateSchemas = false;
  /** Results of a page if the request names no limit. Default: 100. */
  pageSize = 100;
  readonly #definitions = new Map<string, FakeEventDefinition>();
  readonly #groups = new Map<string, FakePropertyGroup>();
  readonly #schemas = new Map<string, FakeEventSchema>();

  /** @internal */
  constructor(memory: Memory, faults: FaultScript<FlagsFault>) {
    super('project', memory, faults);
  }

  /** Returns a new array. */
  get eventDefinitions(): readonly FakeEventDefinition[] {
    return [...this.#definitions.values()];
  }

  /** Returns a new array. */
  get propertyGroups(): readonly FakePropertyGroup[] {
    return [...this.#groups.values()];
  }

  /** Returns a new array. */
  get eventSchemas(): readonly FakeEventSchema[] {
    return [...this.#schemas.values()];
  }

  /** @internal */
  eventDefinition(id: string): FakeEventDefinition | undefined {
    return this.#definitions.get(id);
  }

  /** @internal */
  propertyGroup(id: string): FakePropertyGroup | undefined {
    return this.#groups.get(id);
  }

  /** The event definitions of a group. @internal */
  eventsOf(groupId: string): FakeEventDefinition[] {
    const events: FakeEventDefinition[] = [];
    for (const { property_group: id, event_definition: event } of this.#schemas.values()) {
      const definition = id === groupId ? this.#definitions.get(event) : undefined;
      if (definition !== undefined) events.push(definition);
    }
    return events;
  }

  /** Adds an event definition, or replaces that with the same id. */
  addEvent(definition: NewEventDefinition & { readonly id?: string }): FakeEventDefinition {
    const { id = randomUUID(), name, description = '', tags = [], enforcement_mode = 'allow' } = definition;
    const added = { id, name, description, tags, enforcement_mode };
    this.#definitions.set(id, added);
    return added;
  }

  /** Adds a property group, or replaces that with the same id. */
  addGroup(group: NewPropertyGroup & { readonly id?: string }): FakePropertyGroup {
    const { id = randomUUID(), name, description = '', properties = [], events = [] } = group;
    const withDefaults = properties.map((property) => ({ is_required: false, description: '', ...property }));
    const added = { id, name, description, properties: withDefaults };
    this.#groups.set(id, added);
    for (const event of events) {
      const defined = this.eventDefinitions.find((one) => one.name === event) ?? this.addEvent({ name: event });
      this.link(defined.id, id);
    }
    return added;
  }

  /** Gives an event definition a property group. */
  link(definitionId: string, groupId: string): FakeEventSchema {
    const schema = { id: randomUUID(), event_definition: definitionId, property_group: groupId };
    this.#schemas.set(schema.id, schema);
    return schema;
  }
}
