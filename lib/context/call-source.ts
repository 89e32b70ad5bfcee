import { type ArgumentsHost, type ExecutionContext } from '@nestjs/common';

/** How a call came in. `provider` is a method of a plain provider: a job, a schedule, an event or command handler. */
export type Transport = 'http' | 'graphql' | 'rpc' | 'ws' | 'provider';

/**
 * A value of the application or its framework, typed as loosely as Nest's own `getRequest()` and `getArgs()`, so that
 * `request.user` needs no cast.
 */
export type LooseValue = ReturnType<ArgumentsHost['getArgs']>[number];

/**
 * Where a call came from: what the `identity` option is asked about. It belongs to the call and not to an instance, because
 * several instances may each make something else of it.
 */
export interface CallSource {
  readonly transport: Transport;
  /**
   * The request as Express or Fastify has it: of HTTP, of the HTTP request behind a GraphQL operation, or of the handshake
   * that opened a socket.io connection. Absent where there is none: the payload of a message is never read as a request.
   */
  readonly request?: LooseValue;
  /** Nest's context of the handler; absent until guards have let the call pass, and where there is no handler. */
  readonly execution?: ExecutionContext;
}

/** The handler of a call becomes known after the call does. */
export type OpenSource = { -readonly [Field in keyof CallSource]: CallSource[Field] };
