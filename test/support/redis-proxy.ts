import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * `cutBefore`: the connection ends before Redis gets a command; `cutAfter`: before the client gets the reply; `late`: replies take
 * 100 ms; `bytes`: one byte at a time; `halfOpen`: nothing arrives, in either direction.
 */
export type ProxyMode = 'pass' | 'cutBefore' | 'cutAfter' | 'late' | 'bytes' | 'halfOpen';

/** A bad network between clients and a Redis server. */
export class RedisProxy {
  mode: ProxyMode = 'pass';
  /** Number of connections that clients have opened. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string) {
    this.#server = createServer((client) => {
      this.connections += 1;
      const redis = connect(path);
      const end = (): void => {
        client.destroy();
        redis.destroy();
      };
      for (const socket of [client, redis]) {
        this.#sockets.add(socket);
        socket.on('error', end);
        socket.on('close', end);
      }
      client.on('data', (data) => {
        // The handshake of a library is let through.
        const isCommand = /XADD|XRANGE|XDEL|EVAL/i.test(data.toString('latin1'));
        if (this.mode === 'cutBefore' && isCommand) end();
        else if (this.mode === 'bytes') for (const byte of data) redis.write(Buffer.from([byte]));
        else if (this.mode !== 'halfOpen') redis.write(data);
      });
      redis.on('data', (data) => {
        // A reply that is not one of the handshake.
        const isReply = !/^\+|redis_version/.test(data.toString('latin1'));
        if (this.mode === 'cutAfter' && isReply) end();
        else if (this.mode === 'late') setTimeout(() => client.write(data), 100);
        else if (this.mode === 'bytes') for (const byte of data) client.write(Buffer.from([byte]));
        else if (this.mode !== 'halfOpen') client.write(data);
      });
    });
  }

  /** @param path of the socket of the server */
  static async start(path: string): Promise<RedisProxy> {
    const proxy = new RedisProxy(path);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get connection(): { host: string; port: number } {
    const address = this.#server.address();
    return { host: '127.0.0.1', port: typeof address === 'object' && address ? address.port : 0 };
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
