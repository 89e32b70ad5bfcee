import { type QueueStats } from '../queue/queue-monitor.js';

/** Describes a shared queue in one line: what waits in it, and who takes it. */
export function queueLine({
  kind,
  role,
  state,
  events,
  bytes,
  oldestMs,
  relays,
  partitionsHeld,
  problems,
}: QueueStats): string {
  const size = bytes === null || events === 0 ? '' : ` (${sizeOf(bytes)})`;
  const parts = [
    ...(state === 'ok' ? [] : [state]),
    ...(events === null ? [] : [`${counted(events, 'event')}${size}`]),
    ...(oldestMs === null || oldestMs === 0 ? [] : [`oldest ${Math.round(oldestMs / 1000)} s`]),
    ...(relays === null || kind === 'outbox' ? [] : [counted(relays, 'relay')]),
    ...(relays === 0 && kind === 'outbox' ? ['no relay'] : []),
    ...(role === 'relay' ? [part(kind, partitionsHeld)] : []),
  ];
  const [problem] = problems.filter(({ severity }) => severity !== 'note');
  const trouble = problem ? `. ${problem.message}: ${problem.remedy}` : '';
  return `${kind === 'outbox' ? 'Outbox' : 'Shared queue'}: ${parts.length === 0 ? 'not sampled yet' : parts.join(', ')}${trouble}`;
}

function part(kind: QueueStats['kind'], partitionsHeld: number): string {
  if (kind !== 'outbox') return `${counted(partitionsHeld, 'partition')} held here`;
  return partitionsHeld > 0 ? 'this relay is active' : 'this relay stands by';
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}

const UNITS = ['bytes', 'kB', 'MB', 'GB'];

function sizeOf(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
}
