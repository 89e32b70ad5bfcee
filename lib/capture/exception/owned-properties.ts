import { type Warn } from '../../shared/unknown-fields.js';

/** Properties of `$exception` that describe the error, or that PostHog derives from the list. */
const OWNED = [
  '$exception_list',
  '$exception_type',
  '$exception_message',
  '$exception_level',
  '$exception_source',
  '$exception_suppressed',
  '$debug_images',
  '$exception_handled',
  '$exception_types',
  '$exception_values',
  '$exception_sources',
  '$exception_functions',
  '$exception_fingerprint_version',
  '$exception_fingerprint_record',
  '$exception_issue_id',
  '$exception_release',
  '$cymbal_errors',
] as const;

/**
 * Deletes what properties of the application must not set, and a fingerprint that is not a non-empty string, with a warning; in place. They
 * may come from the call, the context or `superProperties`.
 */
export function removeOwned(properties: Record<string, unknown>, warn: Warn): void {
  for (const name of OWNED) {
    if (properties[name] === undefined) continue;
    Reflect.deleteProperty(properties, name);
    warn(`property "${name}" was left out, because it comes from the error itself`);
  }
  const { $exception_fingerprint: fingerprint } = properties;
  if (fingerprint === undefined || (typeof fingerprint === 'string' && fingerprint.trim() !== '')) return;
  Reflect.deleteProperty(properties, '$exception_fingerprint');
  warn('property "$exception_fingerprint" must be a string that is not blank; it was left out');
}
