import { type JsonObject } from '../json-values.js';
import { type ViolationCollector } from '../validation.js';
import {
  type FakeEventDefinition,
  type FakeProject,
  type FakePropertyGroup,
  type NewEventDefinition,
  type NewPropertyGroup,
} from './fake-project.js';
import { checkFields, EVENT_DEFINITION, EVENT_SCHEMA, PROPERTY_GROUP } from './project-rules.js';

export interface Listed {
  readonly id: string;
  readonly name: string;
  /** As the API returns it. */
  show(): JsonObject;
}

/** A list of PostHog's REST API. */
export interface Resource {
  list(): readonly Listed[];
  pageSize(): number;
  /** @param id of the object to change; null: the body is a new one */
  check(body: JsonObject, id: string | null, violations: ViolationCollector): void;
  /** Stores a checked body, and returns the object. */
  write(body: JsonObject, id: string | null): JsonObject;
}

export function resourcesOf(
  project: FakeProject,
): Readonly<Record<'event_definitions' | 'schema_property_groups' | 'event_schemas', Resource>> {
  const pageSize = (): number => project.pageSize;
  const shownGroup = (group: FakePropertyGroup): JsonObject => ({
    ...group,
    events: project.eventsOf(group.id).map(({ id, name }) => ({ id, name })),
  });
  const shownDefinition = ({ description, ...rest }: FakeEventDefinition): JsonObject =>
    project.hasDescriptions ? { ...rest, description } : rest;
  const groupOf = (id: string): FakePropertyGroup | undefined => project.propertyGroup(id);
  const definitionOf = (id: string): FakeEventDefinition | undefined => project.eventDefinition(id);
  return {
    event_definitions: {
      pageSize,
      list: () => byName(project.eventDefinitions).map((one) => ({ ...one, show: () => shownDefinition(one) })),
      check(body, id, violations) {
        checkFields(body, EVENT_DEFINITION, id === null ? ['name'] : [], violations);
        if (!project.hasDescriptions && 'description' in body) {
          violations.refuse(400, 'rest_description', 'description: This field is not supported by this deployment.');
        }
        checkKnown(definitionOf, id, violations);
        if (id !== null && 'name' in body) violations.refuse(400, 'rest_name', 'name: This field is read-only');
        checkUnique(project.eventDefinitions, body, id, 'Event definition', violations);
      },
      write(body, id) {
        const before = id === null ? {} : definitionOf(id);
        return shownDefinition(project.addEvent({ ...before, ...(body as unknown as NewEventDefinition) }));
      },
    },
    schema_property_groups: {
      pageSize,
      list: () => byName(project.propertyGroups).map((one) => ({ ...one, show: () => shownGroup(one) })),
      check(body, id, violations) {
        checkFields(body, PROPERTY_GROUP, id === null ? ['name'] : [], violations);
        checkKnown(groupOf, id, violations);
        checkUnique(project.propertyGroups, body, id, 'Property group', violations);
      },
      write(body, id) {
        const before = id === null ? {} : groupOf(id);
        return shownGroup(project.addGroup({ ...before, ...(body as unknown as NewPropertyGroup) }));
      },
    },
    event_schemas: {
      pageSize,
      list: () =>
        project.eventSchemas.map(({ property_group: groupId, ...rest }) => {
          const show = (): JsonObject => {
            const group = groupOf(groupId);
            return { ...rest, property_group: group === undefined ? null : shownGroup(group) };
          };
          return { id: rest.id, name: '', show };
        }),
      check(body, id, violations) {
        if (id !== null) violations.refuse(405, 'method', 'Method "PATCH" not allowed.');
        checkFields(body, EVENT_SCHEMA, ['event_definition', 'property_group_id'], violations);
        const { event_definition: definition, property_group_id: group } = body;
        if (definitionOf(String(definition)) === undefined || groupOf(String(group)) === undefined) {
          violations.refuse(400, 'rest_object', 'Invalid pk - object does not exist.');
        }
        const isKnown = project.eventSchemas.some(
          (one) => one.event_definition === definition && one.property_group === group,
        );
        if (isKnown) violations.refuse(400, 'rest_unique', 'Property group is already added to this event schema');
      },
      write: ({ event_definition: definition, property_group_id: group }) => ({
        ...project.link(String(definition), String(group)),
      }),
    },
  };
}

function byName<T extends { readonly name: string }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function checkKnown(find: (id: string) => unknown, id: string | null, violations: ViolationCollector): void {
  if (id !== null && find(id) === undefined) violations.refuse(404, 'rest_object', 'Not found.');
}

function checkUnique(
  list: readonly { readonly id: string; readonly name: string }[],
  { name }: JsonObject,
  id: string | null,
  kind: string,
  violations: ViolationCollector,
): void {
  if (list.some((one) => one.name === name && one.id !== id)) {
    violations.refuse(400, 'rest_unique', `${kind} with this name already exists`);
  }
}
