import { type FlagRead, type FlagStats } from '../capture/flag-stats.js';
import { type LiveTable, type Tone } from '../live/messages.js';

const SOURCES: Readonly<Record<FlagStats['source'], string>> = {
  local: 'Evaluated locally',
  remote: 'Evaluated by PostHog',
  none: 'Not evaluated: code gets its default values',
};

/** Feature flags: where they are evaluated, how that works, and what code has read. */
export function flagTable(stats: FlagStats, now: number): LiveTable {
  const { coolDownUntil, lastError, reads, otherReads } = stats;
  const rows = reads.map((read) => ({
    search: `"$feature/${read.key}"`,
    cells: [read.key, valueOf(read), read.count] as const,
  }));
  const others = otherReads === 0 ? [] : [{ search: null, cells: ['all others', '', otherReads] as const }];
  const trouble = lastError ? `${lastError.message}: ${lastError.remedy}` : '';
  return {
    title: 'Feature flags',
    tone: toneOf(stats),
    text: [sourceOf(stats), ...coolDownOf(coolDownUntil, now), requestsOf(stats)].join('; '),
    remedy: trouble,
    columns: ['Flag', 'Value', 'Reads'],
    rows: [...rows, ...others],
  };
}

function toneOf({ source, coolDownUntil, lastError }: FlagStats): Tone {
  if (coolDownUntil !== null || source === 'none') return 'bad';
  return lastError === null ? 'good' : 'warn';
}

function sourceOf({ source, definitionsAgeMs }: FlagStats): string {
  return definitionsAgeMs === null
    ? SOURCES[source]
    : `${SOURCES[source]}, definitions ${ageText(definitionsAgeMs)} old`;
}

function coolDownOf(until: number | null, now: number): string[] {
  if (until === null) return [];
  return [until > now ? `cooling down for ${Math.ceil((until - now) / 1000)} s` : 'the next read asks PostHog again'];
}

function requestsOf({ requests, timeouts }: FlagStats): string {
  const late = timeouts === 0 ? '' : `, ${timeouts} timed out`;
  return `${requests === 1 ? '1 request' : `${requests} requests`}${late}`;
}

function ageText(ms: number): string {
  return ms < 60_000 ? `${Math.floor(ms / 1000)} s` : `${Math.floor(ms / 60_000)} min`;
}

function valueOf({ value }: FlagRead): string {
  return value === null ? 'default' : String(value);
}
