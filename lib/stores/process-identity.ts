import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process, such that another one can tell whether it still lives. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** In which numbering of processes `pid` counts: in a container every process is pid 1. null where there is but one. */
  readonly pidNamespace: string | null;
  /** When it started, as text to compare; null where the system does not say. */
  readonly startedAt: string | null;
}

/** What is known of another process. `unknown`: only its heartbeat can tell. */
export type Liveness = 'alive' | 'dead' | 'unknown';

/** Who this process is. */
export function thisProcess(): ProcessIdentity {
  return { host: hostname(), pid: process.pid, pidNamespace: pidNamespace(), startedAt: startOf(process.pid) };
}

/** Whether a process lives, as far as this one, `self`, can see. */
export function livenessOf(other: ProcessIdentity, self: ProcessIdentity): Liveness {
  if (other.host !== self.host || other.pidNamespace !== self.pidNamespace) return 'unknown';
  if (!exists(other.pid)) return 'dead';
  const startedAt = startOf(other.pid);
  // Hidden from us, or a system that does not say.
  if (startedAt === null || other.startedAt === null) return 'unknown';
  return startedAt === other.startedAt ? 'alive' : 'dead';
}

function exists(pid: number): boolean {
  try {
    // Signal 0 reaches nobody: it only asks.
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function pidNamespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

function startOf(pid: number): string | null {
  if (process.platform === 'linux') return startOnLinux(pid);
  if (process.platform === 'win32') return null;
  const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() === '' ? null : stdout.trim();
}

/** proc(5): the state is field 3 and the start field 22, counted from boot, after a name that may hold anything. */
function startOnLinux(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Killed, but nobody has asked yet how it ended.
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}:${fields[19] ?? ''}`;
  } catch {
    return null;
  }
}
