import { createRequire } from 'node:module';
import { join } from 'node:path';
import { requirePackage } from '../../shared/require.js';

/** The template tag `sql` of drizzle-orm. */
type SqlTag = (text: readonly string[], ...values: readonly unknown[]) => unknown;

let tag: SqlTag | undefined;

/**
 * A statement for `execute` of Drizzle, which takes values only in objects of its own.
 *
 * @throws Error if drizzle-orm cannot be loaded
 */
export function drizzleQuery(text: string, values: readonly unknown[]): unknown {
  tag ??= load();
  return tag(text.split('?'), ...values);
}

function load(): SqlTag {
  try {
    return (requirePackage('drizzle-orm') as { sql: SqlTag }).sql;
  } catch {
    // Package managers that isolate packages hide it from this one.
    const requireOfApplication = createRequire(join(process.cwd(), 'package.json'));
    return (requireOfApplication('drizzle-orm') as { sql: SqlTag }).sql;
  }
}
