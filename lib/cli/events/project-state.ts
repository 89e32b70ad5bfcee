import { isObject } from '../../shared/untrusted-values.js';
import { type ProjectApi, ProjectError } from './project-api.js';

export interface ProjectProperty {
  readonly name: string;
  readonly property_type: string;
  readonly is_required: boolean;
  readonly description: string;
}

export interface ProjectGroup {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly properties: readonly ProjectProperty[];
}

export interface ProjectEvent {
  readonly id: string;
  readonly name: string;
  /** undefined: the deployment has no descriptions. */
  readonly description: string | undefined;
  /** undefined: the deployment has no tags. */
  readonly tags: readonly string[] | undefined;
  readonly enforcement: string | undefined;
  readonly groups: readonly ProjectGroup[];
}

/** The definitions of a project, by name. Without PostHog's own events. */
export interface ProjectState {
  readonly events: ReadonlyMap<string, ProjectEvent>;
  readonly groups: ReadonlyMap<string, ProjectGroup>;
}

type Body = Readonly<Record<string, unknown>>;

export async function readProject(api: ProjectApi): Promise<ProjectState> {
  const definitions = await api.list('event_definitions', { event_type: 'event_custom', ordering: 'name' });
  const bodies = await api.list('schema_property_groups');
  const groups = new Map(bodies.map((body) => [text(body.id), readGroup(body)]));
  const links = await readLinks(api, bodies);
  const events = definitions.map((body): ProjectEvent => {
    const id = text(body.id);
    const own = [...(links.get(id) ?? [])].flatMap((group) => groups.get(group) ?? []);
    return {
      id,
      name: text(body.name),
      description: 'description' in body ? text(body.description) : undefined,
      tags: Array.isArray(body.tags) ? body.tags.map(text) : undefined,
      enforcement: typeof body.enforcement_mode === 'string' ? body.enforcement_mode : undefined,
      groups: own,
    };
  });
  return {
    events: new Map(events.filter(({ name }) => !name.startsWith('$')).map((event) => [event.name, event])),
    groups: new Map([...groups.values()].map((group) => [group.name, group])),
  };
}

/**
 * The ids of the groups of each event. Some versions of PostHog refuse the list of links to personal API keys; newer ones name the events of a
 * group in the group.
 */
async function readLinks(api: ProjectApi, groups: readonly Body[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const links = new Map<string, Set<string>>();
  const add = (event: unknown, group: unknown): void => {
    const known = links.get(text(event)) ?? new Set();
    links.set(text(event), known.add(text(group)));
  };
  for (const { id, events } of groups) {
    for (const event of Array.isArray(events) ? events.filter(isObject) : []) add(event.id, id);
  }
  try {
    for (const { event_definition: event, property_group: group } of await api.list('event_schemas')) {
      add(isObject(event) ? event.id : event, isObject(group) ? group.id : group);
    }
  } catch (error) {
    const isKnown = groups.every(({ events }) => Array.isArray(events));
    if (!(error instanceof ProjectError && isRefusedKey(error) && isKnown)) throw error;
  }
  return links;
}

/** True if no personal API key may make the request, whatever its scopes are. */
export const isRefusedKey = ({ status, detail }: ProjectError): boolean =>
  status === 403 && /does not support personal api key access/i.test(detail);

function readGroup(body: Body): ProjectGroup {
  const properties = Array.isArray(body.properties) ? body.properties.filter(isObject) : [];
  return {
    id: text(body.id),
    name: text(body.name),
    description: text(body.description),
    properties: properties.map((property) => ({
      name: text(property.name),
      property_type: text(property.property_type),
      is_required: property.is_required === true,
      description: text(property.description),
    })),
  };
}

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');
