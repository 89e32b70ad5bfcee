import { Cluster } from 'ioredis';
import { freePort, type RedisServer, startRedis } from './redis-server.js';

const SLOTS = 16_384;
const NODES = 3;

/** Three real Redis servers that are one cluster. */
export interface RedisCluster {
  client(redisOptions?: object): Cluster;
  /** Deletes all keys. */
  flush(): Promise<void>;
  /** Calls a command on each node. */
  onEach(command: string, ...args: string[]): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(): Promise<RedisCluster> {
  const ports: { readonly port: number; readonly bus: number }[] = [];
  for (let node = 0; node < NODES; node += 1) ports.push({ port: await freePort(), bus: await freePort() });
  const nodes = await Promise.all(ports.map(({ port, bus }) => startNode(port, bus)));
  const admins = nodes.map((node) => node.client());
  const [first] = ports;
  for (const [index, admin] of admins.entries()) {
    await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    const from = Math.ceil((index * SLOTS) / NODES);
    const to = Math.ceil(((index + 1) * SLOTS) / NODES) - 1;
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
    if (index > 0) await admin.call('CLUSTER', 'MEET', '127.0.0.1', first!.port, first!.bus);
  }
  for (const admin of admins) {
    for (;;) {
      const info = String(await admin.call('CLUSTER', 'INFO'));
      if (info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${NODES}`)) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  const clients: Cluster[] = [];
  return {
    client(redisOptions = {}) {
      const client = new Cluster(
        ports.map(({ port }) => ({ host: '127.0.0.1', port })),
        { lazyConnect: true, redisOptions },
      );
      client.on('error', () => undefined);
      clients.push(client);
      return client;
    },
    async flush() {
      for (const admin of admins) await admin.flushall();
    },
    async onEach(command, ...args) {
      for (const admin of admins) await admin.call(command, ...args);
    },
    async stop() {
      for (const client of clients) client.disconnect();
      for (const node of nodes) await node.stop();
    },
  };
}

const startNode = (port: number, bus: number): Promise<RedisServer> =>
  startRedis(
    ...[
      '--port',
      String(port),
      '--cluster-port',
      String(bus),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--cluster-enabled',
      'yes',
    ],
    ...['--cluster-node-timeout', '2000'],
  );
