import { describe, expect, it } from '@jest/globals';
import { RedisChecks } from '../../../lib/redis/redis-checks.js';
import { RedisClient } from '../../../lib/redis/redis-client.js';

/** The checks of a Redis that refuses every command. */
function refusedWith(reply: string): RedisChecks {
  const connection = {
    opened: Promise.resolve(),
    call: () => Promise.reject(new Error(reply)),
    close: () => undefined,
  };
  return new RedisChecks(new RedisClient({ keyPrefix: '', isCluster: false, open: () => connection }));
}

describe('the checks of Redis', () => {
  it.each(['NOPERM this user has no permissions', "ERR unknown command 'INFO'"])(
    'note that INFO fails: %s',
    async (reply) => {
      expect(await refusedWith(reply).problems()).toEqual([
        expect.objectContaining({ severity: 'note', remedy: 'grant the user the right to INFO' }),
      ]);
    },
  );

  it.each([
    'WRONGPASS invalid username-password pair',
    'NOAUTH Authentication required.',
    'ERR max number of clients reached',
  ])('do not blame INFO for %s', async (reply) => {
    await expect(refusedWith(reply).problems()).rejects.toThrow('Redis');
  });
});
