import { type CaptureService } from '../capture/capture.service.js';
import { definitionsOf } from '../capture/event-definitions.js';
import { type DefinedEvent } from '../events/defined-event.js';
import { describeEvent, type PropertyDescription } from '../events/describe-event.js';
import { type LiveDefinition, type LiveProperty } from '../live/messages.js';

const NOTHING = { definitions: [], seen: [] };
const MAX_DEFINITIONS = 2000;
const MAX_PROPERTIES = 200;
const MAX_LENGTH = 500;

export function definitionCount(capture: CaptureService): number {
  const { definitions, seen } = definitionsOf(capture) ?? NOTHING;
  return definitions.length + seen.length;
}

/** The definitions of the catalog, then those of other captured events. */
export function liveDefinitions(capture: CaptureService): LiveDefinition[] {
  const { definitions, seen } = definitionsOf(capture) ?? NOTHING;
  return [
    ...definitions.map((defined) => liveDefinition(defined, true)),
    ...seen.map((defined) => liveDefinition(defined, false)),
  ].slice(0, MAX_DEFINITIONS);
}

function liveDefinition(defined: DefinedEvent, isListed: boolean): LiveDefinition {
  const { name, description, owner, deprecated, version, pii, properties, note } = describeEvent(defined);
  const described = new Set(properties.map((property) => property.name));
  // A schema may have no description of its properties.
  const others = pii.filter((personal) => !described.has(personal));
  const all = [
    ...properties.map(liveProperty),
    ...others.map((personal) => ({
      name: cut(personal),
      type: '',
      isRequired: false,
      isPersonal: true,
      description: null,
    })),
  ];
  const rest = all.length - MAX_PROPERTIES;
  const notes = [...(note === null ? [] : [note]), ...(rest > 0 ? [`${rest} more properties are not shown`] : [])];
  return {
    name,
    description: cutOrNull(description),
    owner: cutOrNull(owner),
    deprecated: cutOrNull(deprecated),
    version,
    isListed,
    properties: all.slice(0, MAX_PROPERTIES),
    note: notes.length === 0 ? null : cut(notes.join('; ')),
  };
}

function liveProperty({ name, type, required, description, pii }: PropertyDescription): LiveProperty {
  return {
    name: cut(name),
    type: cut(type),
    isRequired: required,
    isPersonal: pii,
    description: cutOrNull(description),
  };
}

function cutOrNull(text: string | null): string | null {
  return text === null ? null : cut(text);
}

function cut(text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text;
}
