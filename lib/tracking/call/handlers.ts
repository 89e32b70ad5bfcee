import 'reflect-metadata';
import { type Tracker } from '../tracker.js';

const FIELD_RESOLVER = 'graphql:resolve_property';

/** Whether a method resolves a field of GraphQL, which happens once per object of a result: such calls are never captured, and a line says so. */
export function isFieldResolver(method: unknown, tracker: Pick<Tracker, 'warn'>): boolean {
  if (typeof method !== 'function' || Reflect.getMetadata(FIELD_RESOLVER, method) !== true) return false;
  tracker.warn(
    `track: field resolver ${method.name}`,
    `@TrackEvent on the field resolver ${method.name}() captures nothing: decorate the query or mutation, which runs once per operation.`,
  );
  return true;
}
