import { type SendFailure } from '../delivery/delivery.js';

/**
 * `refused`: the connection's user, address or configuration is wrong, and retries will not help. `retryable`: any other error.
 */
type Kind = 'retryable' | 'refused';

type Row = readonly [kind: Kind, message: string, remedy: string];

/**
 * An error of Redis or of the connection to it. Its message contains only the first word of the original, which may quote a command,
 * and never an address, which may contain a password. For the same reason it has no `cause`.
 */
export class RedisError extends Error {
  override readonly name = 'RedisError';
  /** A store that fails with it works later: the boot goes on. */
  readonly temporary = true;

  constructor(
    readonly kind: Kind,
    /** The first word of the reply, or the code of the network error. */
    readonly word: string,
    message: string,
    readonly remedy: string,
  ) {
    super(message);
  }

  get failure(): SendFailure {
    return { message: this.message, remedy: this.remedy, anySize: true };
  }
}

const WAIT = 'nothing to do unless it lasts';
const CREDENTIALS = 'check user and password of the connection';
const REACH = 'check that Redis is running and that the address of the connection is correct';

/** By first word of the reply. */
const REPLIES: Readonly<Record<string, Row>> = {
  OOM: ['retryable', 'Redis is full', 'raise its maxmemory, or find out why the relays do not keep up'],
  READONLY: ['retryable', 'Redis is a read-only replica', 'after a failover, the address must be that of the primary'],
  MISCONF: ['retryable', 'Redis cannot save its snapshot', 'check its disk, and set vm.overcommit_memory=1'],
  LOADING: ['retryable', 'Redis is loading its data', WAIT],
  BUSY: ['retryable', 'Redis is busy with a script of another client', WAIT],
  TRYAGAIN: ['retryable', 'Redis Cluster is moving the keys', WAIT],
  CLUSTERDOWN: ['retryable', 'Redis Cluster is down', 'check its nodes'],
  MASTERDOWN: ['retryable', 'The primary of Redis is down', 'check it, or promote a replica'],
  NOREPLICAS: ['retryable', 'Redis has too few replicas', 'check its replicas, and min-replicas-to-write'],
  NOAUTH: ['refused', 'Redis requires a password', CREDENTIALS],
  WRONGPASS: ['refused', 'Redis does not accept the password', CREDENTIALS],
  NOPERM: ['refused', 'The Redis user lacks a permission', 'grant it the rights that docs/fleet.md lists'],
  WRONGTYPE: ['refused', 'A key of the queue has another type', 'another program uses it: choose another prefix'],
  DENIED: ['refused', 'Redis is in protected mode', 'set a password, or bind it to a private address'],
  MOVED: ['refused', 'Redis is a cluster', 'pass an ioredis Cluster as connection'],
  CROSSSLOT: ['refused', 'Redis is a cluster', 'pass an ioredis Cluster as connection'],
};

/** By what a reply that starts with `ERR` contains. */
const ERR_REPLIES: readonly (readonly [RegExp, Row])[] = [
  [/max number of clients/i, ['retryable', 'Redis has no free connection', 'raise its maxclients']],
  [/unknown (sub)?command/i, ['refused', 'Redis lacks a command', 'the queue needs Redis 6.2 or later']],
  [/AUTH/, ['refused', 'Redis does not accept the password', CREDENTIALS]],
];

const UNKNOWN: Row = ['retryable', 'Redis returned an error', 'see its log; the command is tried again'];
const UNREACHABLE: Row = ['retryable', 'Redis cannot be reached', REACH];
const LOST: Row = ['retryable', 'There is no connection to Redis', REACH];
const TLS: Row = ['refused', 'TLS to Redis failed', 'check its certificate, and that rediss:// matches the port'];
const NO_HOST: Row = ['retryable', 'The host name of Redis cannot be resolved', REACH];

/** For a command without a reply within the limit. It may have been executed, or may be executed later. */
export function timedOut(limitMs: number): RedisError {
  return new RedisError('retryable', 'TIMEOUT', `Redis did not respond within ${limitMs} ms`, REACH);
}

/** Too few replicas or disks have what was written. */
export function unconfirmed(): RedisError {
  const remedy = 'check the replicas and the disk of Redis; the events are written again';
  return new RedisError('retryable', 'CONFIRM', 'Redis did not confirm the events', remedy);
}

/** Classifies an error that a client library threw or emitted. */
export function describeRedisError(error: unknown): RedisError {
  if (error instanceof RedisError) return error;
  const { code, message } = fieldsOf(error);
  if (code !== null) return rowError(code, rowOfCode(code));
  const word = /^-?([A-Z][A-Z0-9]{2,})\b/.exec(message)?.[1];
  if (word === undefined) return rowError('', LOST);
  if (word === 'ERR') return rowError(word, ERR_REPLIES.find(([pattern]) => pattern.test(message))?.[1] ?? UNKNOWN);
  return rowError(word, REPLIES[word] ?? UNKNOWN);
}

/** True if the error is a reply of Redis. */
export const isReply = ({ word }: RedisError): boolean => word === 'ERR' || Object.hasOwn(REPLIES, word);

function rowError(word: string, [kind, message, remedy]: Row): RedisError {
  return new RedisError(kind, word, word === '' ? message : `${message} (${word})`, remedy);
}

function rowOfCode(code: string): Row {
  if (/CERT|TLS|SSL|SIGNATURE|EPROTO/.test(code)) return TLS;
  return code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? NO_HOST : UNREACHABLE;
}

/** Only codes of the system and of TLS are shown: a library's own may contain anything. */
function fieldsOf(error: unknown): { code: string | null; message: string } {
  if (typeof error !== 'object' || error === null) return { code: null, message: '' };
  const { code, message } = error as { code?: unknown; message?: unknown };
  const isCode = typeof code === 'string' && /^[A-Z][A-Z_\d]{2,59}$/.test(code);
  return { code: isCode ? code : null, message: typeof message === 'string' ? message : '' };
}
