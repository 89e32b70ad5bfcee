/** Lower-case names of options, and of their values, in PostHog's own SDKs. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['token', 'apiKey'],
  ['projectapikey', 'apiKey'],
  ['apihost', 'host'],
  ['disabled', 'enabled'],
  ['fetchretrycount', 'maxRetries'],
  ['fetchretrydelay', 'retryBaseMs'],
  ['maxqueuesize', 'maxQueueEvents'],
  ['maxbatchsize', 'maxBatchEvents'],
  ['personprofiles', 'profiles'],
  ['identifiedonly', 'identified'],
]);

/** A word with more edits than this, or than one per four characters, is another word. */
const MAX_EDITS = 2;
const CHARACTERS_PER_EDIT = 4;

/**
 * The most similar name; undefined if none is similar. Ignores case, separators and a leading `POSTHOG_`, so the name of a variable
 * finds its option.
 */
export function didYouMean(written: string, names: readonly string[]): string | undefined {
  const wanted = normalize(written);
  const synonym = SYNONYMS.get(wanted);
  if (synonym !== undefined && names.includes(synonym)) return synonym;

  let fewest = Math.min(MAX_EDITS, Math.floor(wanted.length / CHARACTERS_PER_EDIT)) + 1;
  let nearest: string | undefined;
  for (const name of names) {
    const candidate = normalize(name);
    if (Math.abs(candidate.length - wanted.length) >= fewest) continue;
    const edits = editsBetween(wanted, candidate);
    if (edits < fewest) {
      fewest = edits;
      nearest = name;
    }
  }
  return nearest;
}

function normalize(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .replace(/^posthog/, '');
}

/** Characters to insert, delete, replace, or swap with their neighbour (optimal string alignment). */
function editsBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let edits = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1));
      const swapped = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (row > 1 && column > 1 && swapped) edits = Math.min(edits, at(beforeLast, column - 2) + 1);
      current.push(edits);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

const at = (row: readonly number[], column: number): number => row[column] ?? 0;
