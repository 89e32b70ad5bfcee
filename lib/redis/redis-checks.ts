import { type QueueProblem } from '../queue/capture-queue.js';
import { type RedisClient } from './redis-client.js';
import { type RedisError } from './redis-errors.js';

/** Between two looks over one connection. */
const CHECK_MS = 60_000;
/** Version that has all commands. */
const MIN_VERSION = [6, 2] as const;

/** Looks at how Redis is configured, with INFO: managed services forbid CONFIG. */
export class RedisChecks {
  readonly #client: RedisClient;
  #problems: readonly QueueProblem[] = [];
  #checkedAt = -Infinity;
  #epoch = -1;

  constructor(client: RedisClient) {
    this.#client = client;
  }

  /** The problems as of the last look, which is repeated for each new connection: after a failover it leads to another server. */
  async problems(): Promise<readonly QueueProblem[]> {
    const now = performance.now();
    if (this.#epoch === this.#client.epoch && now - this.#checkedAt < CHECK_MS) return this.#problems;
    try {
      this.#problems = problemsOf(parseInfo(String(await this.#client.send('INFO'))));
    } catch (error) {
      const { kind, word } = error as RedisError;
      // Other refusals, such as of the password, are not about INFO.
      if (kind !== 'refused' || !['NOPERM', 'ERR'].includes(word)) throw error;
      this.#problems = [NO_INFO];
    }
    this.#epoch = this.#client.epoch;
    this.#checkedAt = now;
    return this.#problems;
  }
}

const NO_INFO: QueueProblem = {
  severity: 'note',
  message: 'The settings of Redis cannot be checked',
  remedy: 'grant the user the right to INFO',
};

const NOT_PERSISTENT: QueueProblem = {
  severity: 'note',
  message: 'Redis has neither an append-only file nor a replica, so a restart loses events',
  remedy: 'set appendonly yes, or add a replica',
};

const AOF_FAILS: QueueProblem = {
  severity: 'degraded',
  message: 'Redis cannot write its append-only file',
  remedy: 'check its disk',
};

const SNAPSHOT_FAILS: QueueProblem = {
  severity: 'degraded',
  message: 'The last snapshot of Redis failed',
  remedy: 'check its disk, and set vm.overcommit_memory=1',
};

const evicts = (policy: string): QueueProblem => ({
  severity: 'down',
  message: `Redis may delete the queue when it is full, as its maxmemory-policy is ${policy}`,
  remedy: 'set maxmemory-policy noeviction',
});

const outdated = (version: string): QueueProblem => ({
  severity: 'degraded',
  message: `Redis ${version} may lack commands of the queue`,
  remedy: `update it to ${MIN_VERSION.join('.')} or later`,
});

function problemsOf(info: ReadonlyMap<string, string>): readonly QueueProblem[] {
  const problems: QueueProblem[] = [];
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && /^allkeys-[a-z]+$/.test(policy)) problems.push(evicts(policy));
  const version = info.get('redis_version');
  if (version !== undefined && isBefore(version)) problems.push(outdated(version));
  if (info.get('aof_last_write_status') === 'err') problems.push(AOF_FAILS);
  if (info.get('rdb_last_bgsave_status') === 'err') problems.push(SNAPSHOT_FAILS);
  const isAlone = info.get('role') === 'master' && info.get('connected_slaves') === '0';
  if (isAlone && info.get('aof_enabled') === '0') problems.push(NOT_PERSISTENT);
  return problems;
}

function isBefore(version: string): boolean {
  const [, major = '', minor = ''] = /^(\d{1,4})\.(\d{1,4})/.exec(version) ?? [];
  if (major === '') return false;
  return Number(major) < MIN_VERSION[0] || (Number(major) === MIN_VERSION[0] && Number(minor) < MIN_VERSION[1]);
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const at = line.indexOf(':');
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  return fields;
}
