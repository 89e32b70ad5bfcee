import { type ProjectProperty, type ProjectState } from './project-state.js';
import { type WantedEvent } from './wanted-events.js';

export interface Differences {
  /** Names of events. */
  readonly missingInProject: readonly string[];
  readonly missingInCode: readonly string[];
  /** Names of events, each with its different properties in words. */
  readonly different: readonly { readonly event: string; readonly properties: readonly string[] }[];
}

export function compareWithProject(wanted: readonly WantedEvent[], { events }: ProjectState): Differences {
  const names = new Set(wanted.map(({ name }) => name));
  return {
    missingInProject: wanted.filter(({ name }) => !events.has(name)).map(({ name }) => name),
    missingInCode: [...events.keys()].filter((name) => !names.has(name)).sort(),
    different: wanted.flatMap((event) => {
      const there = events.get(event.name);
      if (there === undefined || event.properties === null) return [];
      const properties = compareProperties(
        event,
        there.groups.flatMap((group) => group.properties),
      );
      return properties.length === 0 ? [] : [{ event: event.name, properties }];
    }),
  };
}

function compareProperties({ properties, untyped }: WantedEvent, there: readonly ProjectProperty[]): string[] {
  const here = properties ?? [];
  const known = new Set([...here.map(({ name }) => name), ...untyped]);
  const differences = here.flatMap(({ name, property_type: type, is_required: isRequired }) => {
    const same = there.filter((property) => property.name === name);
    const need = (required: boolean): string => (required ? 'required' : 'optional');
    if (same.length === 0) return [`${name}: missing in the project (${type}, ${need(isRequired)} in the code)`];
    const types = [...new Set(same.map((property) => property.property_type))];
    const isRequiredThere = same.some((property) => property.is_required);
    return [
      ...(types.length === 1 && types[0] === type
        ? []
        : [`${name}: ${type} in the code, ${types.join(' and ')} in the project`]),
      ...(isRequired === isRequiredThere
        ? []
        : [`${name}: ${need(isRequired)} in the code, ${need(isRequiredThere)} in the project`]),
    ];
  });
  const others = [...new Set(there.map(({ name }) => name))].filter((name) => !known.has(name)).sort();
  return [...differences, ...others.map((name) => `${name}: missing in the code`)];
}

export const countOfDifferences = ({ missingInProject, missingInCode, different }: Differences): number =>
  missingInProject.length +
  missingInCode.length +
  different.reduce((count, { properties }) => count + properties.length, 0);
