import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type Seeded } from './seeded.js';

/** Faults of one request, below HTTP. */
type Break = 'at once' | 'in the request' | 'in the head of the answer' | 'after the answer' | 'silence';

export interface FlakyWireOptions {
  readonly targetPort: number;
  readonly random: Seeded;
  /** Share of requests with a fault, from 0 to 1. */
  readonly probability: number;
  /** Responses may be swallowed, so that the client runs into its timeout. */
  readonly silence: boolean;
}

/** An unreliable proxy to a server on loopback. */
export interface FlakyWire {
  readonly port: number;
  /** Number of requests with a fault. */
  readonly broken: number;
  close(): Promise<void>;
}

/**
 * Proxies between a client and a server, and fails a share of the requests: connections are reset when a request arrives, in
 * the middle of it, within the head of the response, or right after the response, when the client keeps them for the next
 * request; and some responses are swallowed.
 */
export async function startFlakyWire(options: FlakyWireOptions): Promise<FlakyWire> {
  const { targetPort, random, probability, silence } = options;
  const breaks: [Break, ...Break[]] = ['at once', 'in the request', 'in the head of the answer', 'after the answer'];
  if (silence) breaks.push('silence');
  const sockets = new Set<Socket>();
  let broken = 0;
  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // Expected.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let fault: Break | null = null;
    /** Bytes that still pass before the fault. */
    let left = 0;
    let requested = false;
    client.on('data', (chunk) => {
      if (!requested) {
        requested = true;
        fault = random.chance(probability) ? random.pick(breaks) : null;
        left = random.below(120);
        if (fault) broken += 1;
      }
      if (fault === 'at once') client.resetAndDestroy();
      else if (fault === 'in the request' && chunk.length > left) {
        upstream.write(chunk.subarray(0, left));
        client.resetAndDestroy();
      } else upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      requested = false;
      if (fault === 'silence') return;
      if (fault === 'in the head of the answer') client.end(chunk.subarray(0, left));
      else if (fault === 'after the answer') client.end(chunk);
      else client.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get broken() {
      return broken;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
