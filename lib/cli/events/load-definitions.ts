import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type DefinedEvent, definedEventOf } from '../../events/defined-event.js';
import { EventCatalog } from '../../events/event-catalog.js';
import { fieldOf, isObject } from '../../shared/untrusted-values.js';
import { cut, messageOf, printable, UsageError } from '../terminal.js';

/** A catalog may be an array in an object of options. */
const MAX_LEVELS = 4;
const MAX_MESSAGE = 200;

/**
 * The definitions that compiled modules of an application export, on their own or in arrays and objects, by name.
 *
 * @param paths of modules, ESM or CommonJS, from the current folder
 * @throws UsageError if a module cannot be loaded, if there are no definitions, or two of the same name
 */
export async function loadDefinitions(paths: readonly string[]): Promise<readonly DefinedEvent[]> {
  if (paths.length === 0) throw new UsageError('the modules are missing: add --from dist/events.js');
  const places = new Map<DefinedEvent, string>();
  for (const path of paths) {
    const found = new Set<DefinedEvent>();
    collect(await load(path), found, 0);
    for (const defined of found) if (!places.has(defined)) places.set(defined, path);
  }
  if (places.size === 0) {
    const list = paths.map((path) => `"${printable(path)}"`).join(', ');
    throw new UsageError(`no definitions in ${list}: export results of defineEvent, or classes with @Event`);
  }
  refuseDuplicates(places);
  return [...places.keys()].sort((a, b) => (a.event < b.event ? -1 : 1));
}

async function load(path: string): Promise<unknown> {
  const file = resolve(path);
  const name = `"${printable(path)}"`;
  if (!existsSync(file)) throw new UsageError(`${name} does not exist: compile the application first`);
  if (!statSync(file).isFile()) throw new UsageError(`${name} is not a file: name the module that exports the events`);
  try {
    return await import(pathToFileURL(file).href);
  } catch (error) {
    const isSource = /\.[cm]?tsx?$/.test(file);
    const remedy = isSource ? '. Compile the application, and name the JavaScript file' : '';
    throw new UsageError(`cannot load ${name}: ${cut(messageOf(error).split('\n', 1)[0] ?? '', MAX_MESSAGE)}${remedy}`);
  }
}

function collect(value: unknown, found: Set<DefinedEvent>, level: number): void {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return;
  const defined = definedEventOf(value);
  if (defined !== undefined) found.add(defined);
  else if (value instanceof EventCatalog) for (const one of value.definitions) found.add(one);
  else if (level < MAX_LEVELS && (Array.isArray(value) || isObject(value))) {
    for (const key of keysOf(value)) collect(fieldOf(value, key), found, level + 1);
  }
}

function keysOf(value: object): string[] {
  try {
    return Object.keys(value);
  } catch {
    return [];
  }
}

function refuseDuplicates(places: ReadonlyMap<DefinedEvent, string>): void {
  const seen = new Map<string, string>();
  for (const [{ event }, path] of places) {
    const other = seen.get(event);
    if (other !== undefined) {
      const where = other === path ? `"${printable(path)}"` : `"${printable(other)}" and "${printable(path)}"`;
      throw new UsageError(`two definitions of ${JSON.stringify(event)} in ${where}: an event has one definition`);
    }
    seen.set(event, path);
  }
}
