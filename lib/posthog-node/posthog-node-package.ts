import { fieldOf } from '../shared/untrusted-values.js';

/** The first version whose snapshots of flags can be read without capturing an event. */
const FIRST = [5, 61, 1] as const;
const INSTALL = 'npm install posthog-node@^5.61.1';

/** @param who the export that needs the package */
export function cannotBeLoaded(who: string, cause: unknown): Error {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isOld = major === 20 ? minor < 20 : major < 22 || (major === 22 && minor < 22);
  const remedy = isOld ? `. It needs Node.js 20.20 or later of 20, or 22.22 or later; this is ${process.version}` : '';
  return new Error(`${who}: the package posthog-node cannot be loaded: npm install posthog-node${remedy}`, { cause });
}

/** @throws Error if events of this version cannot be captured, naming the version to install */
export function requireVersion(client: unknown): void {
  const read: unknown = fieldOf(fieldOf(client, 'prototype'), 'getLibraryVersion');
  const version: unknown = typeof read === 'function' ? Reflect.apply(read, undefined, []) : undefined;
  if (typeof version === 'string' && isSupported(version)) return;
  const found = typeof version === 'string' ? `version ${version}` : 'a version';
  throw new Error(
    `nestjs-posthog-capture/posthog-node: ${found} of posthog-node is installed, whose events cannot be captured: ${INSTALL}`,
  );
}

function isSupported(version: string): boolean {
  const [major = NaN, minor = NaN, patch = NaN] = version.split(/[.-]/, 3).map(Number);
  if (major !== FIRST[0]) return false;
  return minor > FIRST[1] || (minor === FIRST[1] && patch >= FIRST[2]);
}
