import { fieldOf } from '../../shared/untrusted-values.js';

/** The status from which on a response is a failure of the server. */
const SERVER_ERROR = 500;

/** Codes of GraphQL errors that blame the client, in `extensions.code`. */
const CLIENT_CODES: ReadonlySet<unknown> = new Set([
  'BAD_REQUEST',
  'BAD_USER_INPUT',
  'UNAUTHENTICATED',
  'UNAUTHORIZED',
  'FORBIDDEN',
  'NOT_FOUND',
  'CONFLICT',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
]);

/** Names of errors that end a piece of work as its caller wanted. */
const ABORTS: ReadonlySet<unknown> = new Set(['AbortError', 'CanceledError']);
/** Codes of errors that follow from a client that has disconnected. */
const DISCONNECTS: ReadonlySet<unknown> = new Set([
  'ECONNABORTED',
  'ECONNRESET',
  'EPIPE',
  'ERR_HTTP_REQUEST_ABORTED',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
]);
/** Exceptions that a handler throws to answer a message. */
const REPLIES = ['RpcException', 'WsException'];

/** The default of option `exceptions.status`. */
export const isServerError = (status: number): boolean => status >= SERVER_ERROR;

/**
 * The HTTP status that an error asks for; undefined if it asks for none. That an error has a status is not enough: those of HTTP clients have
 * the status of a response that the application has received. Never throws.
 */
export function statusOf(error: unknown): number | undefined {
  // Not `instanceof`, because a process may hold several copies of @nestjs/common.
  const getStatus = fieldOf(error, 'getStatus');
  if (typeof getStatus === 'function' && typeof fieldOf(error, 'getResponse') === 'function') {
    const status = attempt(() => Reflect.apply(getStatus, error, []));
    if (isStatus(status)) return status;
  }
  if (!isHttpError(error) && !isFastifyError(error)) return undefined;
  const status = fieldOf(error, 'statusCode');
  return isStatus(status) ? status : undefined;
}

/** An error of http-errors, which body parsers throw: `expose` tells whether its message is for the client. */
const isHttpError = (error: unknown): boolean => typeof fieldOf(error, 'expose') === 'boolean';

const isFastifyError = (error: unknown): boolean => {
  const code = fieldOf(error, 'code');
  return typeof code === 'string' && code.startsWith('FST_');
};

/**
 * True for errors by which an application answers its clients: with a status that does not concern the server, an exception for the sender
 * of a message, or an error of GraphQL that blames the query. Never throws.
 *
 * @param isFailure option `exceptions.status`
 */
export function isExpected(error: unknown, isFailure: (status: number) => boolean = isServerError): boolean {
  if (isAbort(error) || isReply(error)) return true;
  const status = statusOf(error) ?? graphqlStatusOf(error);
  if (status !== undefined) return !isFailure(status);
  return isClientError(error);
}

/** True if an error of GraphQL blames the query. */
export const isClientError = (error: unknown): boolean =>
  CLIENT_CODES.has(fieldOf(fieldOf(error, 'extensions'), 'code'));

/** True if the error reports that work was cancelled. */
export const isAbort = (error: unknown): boolean => ABORTS.has(fieldOf(error, 'name'));

/** True if the error may follow from a client that has disconnected. */
export const isDisconnect = (error: unknown): boolean => isAbort(error) || DISCONNECTS.has(fieldOf(error, 'code'));

/** RpcException and WsException, of any copy of Nest, and classes derived from them. */
function isReply(error: unknown): boolean {
  if (typeof fieldOf(error, 'getError') !== 'function') return false;
  return (
    attempt(() => {
      for (let type: unknown = Object.getPrototypeOf(error); type !== null; type = Object.getPrototypeOf(type))
        if (REPLIES.includes(String(fieldOf(fieldOf(type, 'constructor'), 'name')))) return true;
      return false;
    }) === true
  );
}

/** A `GraphQLError` may have the status of the response in `extensions.http`, or of its Nest exception in `extensions.originalError`. */
function graphqlStatusOf(error: unknown): number | undefined {
  const extensions = fieldOf(error, 'extensions');
  return [
    fieldOf(fieldOf(extensions, 'http'), 'status'),
    fieldOf(extensions, 'status'),
    fieldOf(extensions, 'statusCode'),
    fieldOf(fieldOf(extensions, 'originalError'), 'statusCode'),
  ].find(isStatus);
}

const isStatus = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 100 && value < 600;

function attempt(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return undefined;
  }
}
