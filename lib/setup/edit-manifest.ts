import { LIBRARY_NAME, LIBRARY_VERSION } from '../shared/version.js';

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** @returns undefined if the text is not a JSON object */
export function readManifest(text: string | undefined): Manifest | undefined {
  try {
    const manifest: unknown = JSON.parse(text ?? '');
    return typeof manifest === 'object' && manifest !== null ? manifest : undefined;
  } catch {
    return undefined;
  }
}

/** Adds this package and its peers to package.json. A dependency that is there keeps its range. */
export function addDependencies(text: string, manifest: Manifest, peers: Readonly<Record<string, string>>): string {
  const all = { [LIBRARY_NAME]: `^${LIBRARY_VERSION}`, ...peers };
  const missing = Object.entries(all).filter(([name]) => manifest.dependencies?.[name] === undefined);
  if (missing.length === 0) return text;
  const entries = [...Object.entries(manifest.dependencies ?? {}), ...missing];
  const dependencies = Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
  const indent = /\n([ \t]+)"/.exec(text)?.[1] ?? '  ';
  return `${JSON.stringify({ ...manifest, dependencies }, null, indent)}\n`;
}
