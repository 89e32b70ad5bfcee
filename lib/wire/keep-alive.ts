import { Agent as HttpAgent, ClientRequest } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Socket } from 'node:net';

/** Error codes of a connection that the server has closed. */
const CLOSED: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE']);

/** Less than the idle time-outs of load balancers and NATs, of which some drop a connection without telling either end. */
const MAX_IDLE_MS = 45_000;

/** The server closed a reused connection before it answered. This says nothing about the network: a new connection may work. */
export class ReusedConnectionClosed extends Error {
  override readonly name = 'ReusedConnectionClosed';

  /** @param cause the error of the HTTP client */
  constructor(override readonly cause: unknown) {
    super('the server closed the connection');
  }
}

/** Connections that are kept alive. A server may close one at the moment at which it is used again. */
export class KeepAliveConnections {
  /** Time of the last request, by the wall clock, which continues while the machine is suspended. */
  #usedAt = 0;
  /** Number of bytes that a connection had received when it was reused. */
  readonly #received = new WeakMap<ClientRequest, number>();
  readonly httpAgent = this.#watched(new HttpAgent({ keepAlive: true }));
  readonly httpsAgent = this.#watched(new HttpsAgent({ keepAlive: true }));

  /** Call before each request. Closes connections that have been idle for so long that something in between may have dropped them. */
  beforeRequest(): void {
    const now = Date.now();
    if (now - this.#usedAt > MAX_IDLE_MS) this.#closeIdle();
    this.#usedAt = now;
  }

  /**
   * Converts the error of a request that must be sent again.
   *
   * @param request the ClientRequest, if the HTTP client exposes it
   */
  describe<Thrown>(error: Thrown, request: unknown): Thrown | ReusedConnectionClosed {
    if (!this.#wasClosed(error, request)) return error;
    // The server has probably closed them, too: the next request needs a new connection.
    this.#closeIdle();
    return new ReusedConnectionClosed(error);
  }

  close(): void {
    this.httpAgent.destroy();
    this.httpsAgent.destroy();
  }

  #watched<Agent extends HttpAgent>(agent: Agent): Agent {
    const reuse = agent.reuseSocket.bind(agent);
    agent.reuseSocket = (socket, request) => {
      reuse(socket, request);
      if (socket instanceof Socket) this.#received.set(request, socket.bytesRead);
    };
    return agent;
  }

  #wasClosed(error: unknown, request: unknown): boolean {
    if (!(request instanceof ClientRequest) || !request.reusedSocket) return false;
    const { code } = Object(error) as { code?: unknown };
    if (!CLOSED.has(code)) return false;
    // Agents of the application do not record it.
    const received = this.#received.get(request);
    return received === undefined || request.socket?.bytesRead === received;
  }

  #closeIdle(): void {
    for (const { freeSockets } of [this.httpAgent, this.httpsAgent]) {
      for (const sockets of Object.values(freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    }
  }
}
