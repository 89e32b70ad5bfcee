import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { types } from 'node:util';
import { type CaptureStats } from '../capture/capture-stats.js';
import { assessHealth } from '../health/assess-health.js';
import { UsageError } from './terminal.js';

export interface HealthServer {
  readonly port: number;
  /** Readiness fails from now on, as the command is about to end. */
  drain(): void;
  close(): Promise<void>;
}

/**
 * Serves `/live`, which succeeds as long as the process responds, and `/ready`, which has the state of an instance and fails while that is
 * `down`. All interfaces, because the probes of Kubernetes come from outside of the container. Neither has a key or an event.
 *
 * @throws UsageError if the port is in use or not allowed
 */
export async function serveHealth(port: number, stats: () => CaptureStats): Promise<HealthServer> {
  let isDraining = false;
  const server = createServer(({ url = '', method }, response) => {
    const [path] = url.split('?');
    if (method !== 'GET' && method !== 'HEAD') respond(response, 405, { error: 'use GET' });
    else if (path === '/live') respond(response, 200, { status: 'up' });
    else if (path === '/ready') ready(response, stats(), isDraining);
    else respond(response, 404, { error: 'the paths are /live and /ready' });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(portProblem(error, port)));
    server.listen(port, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    drain: () => (isDraining = true),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function ready(response: ServerResponse, stats: CaptureStats, isDraining: boolean): void {
  const { health, problems } = assessHealth(stats);
  const { recovered, delivered, dropped, pending, oldestPendingMs, queue } = stats;
  const shared = queue && {
    state: queue.state,
    events: queue.events,
    bytes: queue.bytes,
    oldestMs: queue.oldestMs,
    relays: queue.relays,
    partitionsHeld: queue.partitionsHeld,
  };
  const status = isDraining ? 'shutting down' : health;
  const details = { recovered, delivered, dropped, pending, oldestPendingMs, queue: shared };
  respond(response, isDraining || health === 'down' ? 503 : 200, { status, problems, ...details });
}

function respond(response: ServerResponse, status: number, body: object): void {
  const headers = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };
  response.writeHead(status, headers).end(`${JSON.stringify(body)}\n`);
}

function portProblem(error: Error, port: number): Error {
  const code = types.isNativeError(error) && 'code' in error ? error.code : '';
  if (code === 'EADDRINUSE') return new UsageError(`port ${port} is already in use: choose another --health-port`);
  if (code === 'EACCES') return new UsageError(`no permission to listen on port ${port}: choose another --health-port`);
  return error;
}
