import { type ProjectApi, ProjectError } from './project-api.js';
import { isRefusedKey, type ProjectEvent, type ProjectGroup, type ProjectState } from './project-state.js';
import { isOwnTag, type WantedEvent, type WantedProperty } from './wanted-events.js';

export interface PushOptions {
  readonly enforce: boolean;
  readonly dryRun: boolean;
  /** Called with each change, after it was made. */
  readonly changed: (line: string) => void;
  /** Called with the steps that must be done manually. */
  readonly failed: (line: string) => void;
}

const DEFINITIONS = 'event_definitions';
const GROUPS = 'schema_property_groups';
const GROUP_DESCRIPTION = 'Written by posthog-capture events push. Change the definition in the code.';
/** In place of an id, in a dry run. */
const NOT_CREATED = '';

/**
 * Makes an event of a project like its definition, with as few requests as possible: none if it is. Enforcement comes last, when the
 * properties are there.
 */
export async function pushEvent(
  api: ProjectApi,
  wanted: WantedEvent,
  project: ProjectState,
  options: PushOptions,
): Promise<void> {
  const there = project.events.get(wanted.name);
  const id = await pushDefinition(api, wanted, there, options);
  if (wanted.properties === null) return;
  const others = [...project.events.values()].filter(
    ({ name, groups }) => name !== wanted.name && groups.some((one) => one.name === wanted.group),
  );
  if (others.length > 0) {
    const names = others.map(({ name }) => name).join(', ');
    options.failed(
      `the group "${wanted.group}" was not changed, because it is also a schema of ${names}: remove it there in PostHog`,
    );
    return;
  }
  const group = await pushGroup(api, wanted, wanted.properties, project.groups.get(wanted.group), options);
  const isLinked = there?.groups.some((one) => one.name === wanted.group) ?? false;
  if (!isLinked && !(await pushLink(api, wanted, id, group, options))) return;
  if (!options.enforce || there?.enforcement === 'reject') return;
  if (!options.dryRun) await api.update(DEFINITIONS, id, { enforcement_mode: 'reject' });
  options.changed(`enforce ${wanted.name}`);
}

async function pushDefinition(
  api: ProjectApi,
  { name, description, tags }: WantedEvent,
  there: ProjectEvent | undefined,
  { dryRun, changed }: PushOptions,
): Promise<string> {
  if (there === undefined) {
    const body = { name, ...(description !== '' && { description }), ...(tags.length > 0 && { tags }) };
    const id = dryRun ? NOT_CREATED : await createDefinition(api, body);
    changed(`create ${name}`);
    return id;
  }
  const changes = {
    ...(description !== '' &&
      there.description !== undefined &&
      there.description.trim() !== description && { description }),
    ...tagChange(tags, there.tags),
  };
  const fields = Object.keys(changes);
  if (fields.length === 0) return there.id;
  if (!dryRun) await api.update(DEFINITIONS, there.id, changes);
  changed(`update ${name}: ${fields.join(', ')}`);
  return there.id;
}

/** Without the description where the deployment has none. */
async function createDefinition(
  api: ProjectApi,
  body: { readonly name: string; readonly description?: string; readonly tags?: readonly string[] },
): Promise<string> {
  try {
    return idOf(await api.create(DEFINITIONS, body));
  } catch (error) {
    const isUnsupported = error instanceof ProjectError && error.status === 400 && /not supported/.test(error.detail);
    if (!isUnsupported || body.description === undefined) throw error;
    const { name, tags } = body;
    return idOf(await api.create(DEFINITIONS, { name, ...(tags && { tags }) }));
  }
}

function tagChange(wanted: readonly string[], there: readonly string[] | undefined): { tags?: readonly string[] } {
  if (there === undefined) return {};
  const own = there.filter(isOwnTag);
  const isSame = own.length === wanted.length && wanted.every((tag) => own.includes(tag));
  return isSame ? {} : { tags: [...there.filter((tag) => !isOwnTag(tag)), ...wanted] };
}

async function pushGroup(
  api: ProjectApi,
  { group: name }: WantedEvent,
  properties: readonly WantedProperty[],
  there: ProjectGroup | undefined,
  { dryRun, changed }: PushOptions,
): Promise<string> {
  const body = { name, description: GROUP_DESCRIPTION, properties };
  if (there === undefined) {
    const id = dryRun ? NOT_CREATED : idOf(await api.create(GROUPS, body));
    changed(`create group "${name}"`);
    return id;
  }
  if (there.description === GROUP_DESCRIPTION && hasSame(there.properties, properties)) return there.id;
  if (!dryRun) await api.update(GROUPS, there.id, { description: GROUP_DESCRIPTION, properties });
  changed(`update group "${name}"`);
  return there.id;
}

function hasSame(there: ProjectGroup['properties'], wanted: readonly WantedProperty[]): boolean {
  const textOf = (list: ProjectGroup['properties']): string =>
    JSON.stringify(
      list
        .map((one) => [one.name, one.property_type, one.is_required, one.description.trim()] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  return textOf(there) === textOf(wanted);
}

/** Returns false if it must be done manually. */
async function pushLink(
  api: ProjectApi,
  { name, group }: WantedEvent,
  definitionId: string,
  groupId: string,
  { dryRun, changed, failed }: PushOptions,
): Promise<boolean> {
  try {
    if (!dryRun) await api.create('event_schemas', { event_definition: definitionId, property_group_id: groupId });
  } catch (error) {
    if (!(error instanceof ProjectError && isRefusedKey(error))) throw error;
    failed(`add the group "${group}" to the event ${name} in PostHog: it does not let a personal API key do that`);
    return false;
  }
  changed(`add group "${group}" to ${name}`);
  return true;
}

function idOf({ id }: Readonly<Record<string, unknown>>): string {
  if (typeof id === 'string' || typeof id === 'number') return String(id);
  throw new ProjectError(
    "PostHog's response has no id. Remedy: check that the address is that of PostHog's app (POSTHOG_CLI_HOST)",
  );
}
