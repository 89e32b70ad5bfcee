import { describe, expect, it } from '@jest/globals';
import { describeRedisError } from '../../../lib/redis/redis-errors.js';

const withCode = (code: string) => Object.assign(new Error(`connect ${code} redis://user:secret@host`), { code });

describe('errors of Redis', () => {
  it.each([
    ["OOM command not allowed when used memory > 'maxmemory'.", 'retryable', 'Redis is full (OOM)', 'maxmemory'],
    ["READONLY You can't write against a read only replica.", 'retryable', 'read-only replica (READONLY)', 'primary'],
    ['MISCONF Redis is configured to save RDB snapshots', 'retryable', '(MISCONF)', 'overcommit_memory'],
    ['LOADING Redis is loading the dataset in memory', 'retryable', '(LOADING)', 'nothing to do'],
    ['BUSY Redis is busy running a script.', 'retryable', '(BUSY)', 'nothing to do'],
    ['TRYAGAIN Multiple keys request during rehashing of slot', 'retryable', '(TRYAGAIN)', 'nothing to do'],
    ['CLUSTERDOWN Hash slot not served', 'retryable', '(CLUSTERDOWN)', 'nodes'],
    ['MASTERDOWN Link with MASTER is down', 'retryable', '(MASTERDOWN)', 'promote'],
    ['NOREPLICAS Not enough good replicas to write.', 'retryable', '(NOREPLICAS)', 'min-replicas-to-write'],
    ['ERR max number of clients reached', 'retryable', 'no free connection (ERR)', 'maxclients'],
    ['ERR something new', 'retryable', 'Redis returned an error (ERR)', 'log'],
    ['NEWWORD something new', 'retryable', 'Redis returned an error (NEWWORD)', 'log'],
    ['NOAUTH Authentication required.', 'refused', '(NOAUTH)', 'user and password'],
    ['WRONGPASS invalid username-password pair', 'refused', '(WRONGPASS)', 'user and password'],
    ["NOPERM this user has no permissions to run the 'xadd' command", 'refused', '(NOPERM)', 'docs/fleet.md'],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'refused', '(WRONGTYPE)', 'another prefix'],
    ["ERR unknown command 'WAITAOF', with args beginning with: '1'", 'refused', 'lacks a command (ERR)', '6.2'],
    ['DENIED Redis is running in protected mode', 'refused', '(DENIED)', 'password'],
    ['MOVED 3999 127.0.0.1:6381', 'refused', 'Redis is a cluster (MOVED)', 'ioredis Cluster'],
    ['Connection is closed.', 'retryable', 'There is no connection to Redis', 'address'],
    [
      "Stream isn't writeable and enableOfflineQueue options is false",
      'retryable',
      'There is no connection',
      'address',
    ],
    ['Command timed out', 'retryable', 'There is no connection', 'address'],
    ['The client is offline', 'retryable', 'There is no connection', 'address'],
  ])('%s: %s', (text, kind, message, remedy) => {
    const described = describeRedisError(new Error(text));
    expect(described.kind).toBe(kind);
    expect(described.message).toContain(message);
    expect(described.remedy).toContain(remedy);
  });

  it.each([
    ['ECONNREFUSED', 'retryable', 'cannot be reached (ECONNREFUSED)'],
    ['ETIMEDOUT', 'retryable', 'cannot be reached (ETIMEDOUT)'],
    ['ENOTFOUND', 'retryable', 'host name of Redis cannot be resolved (ENOTFOUND)'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'refused', 'TLS to Redis failed (DEPTH_ZERO_SELF_SIGNED_CERT)'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'refused', 'TLS to Redis failed'],
  ])('the code %s: %s', (code, kind, message) => {
    const described = describeRedisError(withCode(code));
    expect(described.kind).toBe(kind);
    expect(described.message).toContain(message);
  });

  it.each([null, undefined, 'text', 7, { code: 5 }, { message: 5 }])('survives %p', (thrown) => {
    expect(describeRedisError(thrown).kind).toBe('retryable');
  });

  it('shows neither a command nor an address, which may contain a password', () => {
    for (const error of [
      new Error("NOPERM User pod has no permissions to run 'xadd' with phc_secret"),
      new Error('getaddrinfo redis://user:secret@host'),
      withCode('ECONNREFUSED'),
    ]) {
      const described = describeRedisError(error);
      const shown = JSON.stringify([described.message, described.remedy, described, String(described.stack)]);
      expect(shown).not.toMatch(/secret|xadd|user:/);
      expect(described.cause).toBeUndefined();
    }
  });
});
