import { EventEmitter } from 'node:events';
import { Writable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { driverOfIoredis, type IoredisLike } from '../../../lib/redis/ioredis-driver.js';

it('writes commands that are sent together at once', async () => {
  const writes: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      writes.push(String(chunk));
      done();
    },
    writev(chunks, done) {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      done();
    },
  });
  const client: IoredisLike = Object.assign(new EventEmitter(), {
    stream,
    duplicate: () => client,
    connect: () => Promise.resolve(),
    disconnect: () => undefined,
    callBuffer: (command: string) => Promise.resolve(stream.write(`${command} `)),
  });
  const connection = driverOfIoredis(client).open({
    onError: () => undefined,
    onClose: () => undefined,
    onEnd: () => undefined,
  });
  await Promise.all([connection.call('A', []), connection.call('B', []), connection.call('C', [])]);
  await connection.call('D', []);
  expect(writes).toEqual(['A B C ', 'D ']);
});
