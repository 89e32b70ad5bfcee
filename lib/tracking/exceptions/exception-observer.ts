import { captureCaught } from '../../capture/capture-caught.js';
import { type CaptureBoundary } from '../../capture/exception/capture-boundary.js';
import { type ContextScope, currentScope } from '../../context/context-scope.js';
import { describeThrown } from '../../shared/describe-thrown.js';
import { callSync, contentOf, FAILED, plainCopy } from '../../shared/untrusted-values.js';
import { wantErrorScopes } from '../call/error-scopes.js';
import { type TrackingInstance, type TrackingSettings } from '../call/tracking-instance.js';
import { type FailedCall, type IgnoreRule } from '../../options/exception-options.js';
import { type ExceptionRules, isIgnored } from '../call/exception-rules.js';
import { isAbort, isExpected, isServerError } from './expected-errors.js';

type Properties = Record<string, unknown>;

/** The call that an error ended. */
export interface CaughtError {
  readonly boundary: CaptureBoundary;
  /** The call, as far as it is known. */
  readonly call: Partial<FailedCall> & Pick<FailedCall, 'transport'>;
  /** The context of the call. Default: the current one. */
  readonly scope?: ContextScope | undefined;
  /** `Class.method` */
  readonly handler?: string | undefined;
  /** The status of the response decides, not the error itself. */
  readonly isDecidedByStatus?: boolean | undefined;
  /** The error after the exception filters, which decides. */
  readonly answer?: { readonly error: unknown } | undefined;
  /** Properties of the transport. Only called for an error that is captured. */
  readonly properties?: (() => Properties) | undefined;
}

interface Observing {
  readonly instance: TrackingInstance;
  readonly rules: ExceptionRules;
}

/** The unhandled errors of one application, which each of its instances with option `exceptions` captures. */
export class ExceptionObserver {
  readonly #observing: Observing[] = [];

  register(instance: TrackingInstance): void {
    const rules = instance.settings.exceptions;
    if (rules === null) return;
    this.#observing.push({ instance, rules });
    wantErrorScopes();
  }

  /** True if an instance captures unhandled errors. */
  get isActive(): boolean {
    return this.#observing.length > 0;
  }

  /**
   * Captures an error, unless it is expected or was captured before. Never throws.
   *
   * @param isWanted chooses the instances. Default: all with option `exceptions`
   */
  caught(error: unknown, caught: CaughtError, isWanted: (rules: ExceptionRules) => boolean = () => true): void {
    for (const one of this.#observing) {
      try {
        if (!isWanted(one.rules)) continue;
        const { scope } = caught;
        if (scope === undefined || scope === currentScope.getStore()) captureBy(one, error, caught);
        else currentScope.run(scope, () => captureBy(one, error, caught));
      } catch {
        one.instance.settings.warn('exceptions', 'An unhandled error could not be captured.');
      }
    }
  }
}

function captureBy({ instance, rules }: Observing, error: unknown, caught: CaughtError): void {
  const { capture, settings } = instance;
  if (capture.disabled || !isFailure(error, caught, rules, settings)) return;
  const call: FailedCall = { outcome: 'error', args: [], durationMs: 0, ...caught.call, error };
  const isListed = (rule: IgnoreRule): boolean => isIgnored(error, call, rule);
  if (rules.ignore.some((rule) => resultOf('ignore', isListed, rule, rule, settings) === true)) return;
  captureCaught(capture, error, caught.boundary, () => ({
    ...propertiesOf(caught),
    ...ownProperties(call, rules, settings),
  }));
}

function isFailure(error: unknown, caught: CaughtError, rules: ExceptionRules, settings: TrackingSettings): boolean {
  const isFailed = (status: number): boolean => {
    if (rules.status === undefined) return isServerError(status);
    const result = resultOf('status', rules.status, status, rules.status, settings);
    return result === FAILED ? isServerError(status) : Boolean(result);
  };
  const { statusCode } = caught.call;
  if (caught.isDecidedByStatus === true && statusCode !== undefined) return isFailed(statusCode) && !isAbort(error);
  return !isExpected(caught.answer === undefined ? error : caught.answer.error, isFailed);
}

function propertiesOf({ call, handler, properties }: CaughtError): Properties {
  const { transport, statusCode } = call;
  return {
    $transport: transport,
    ...(handler !== undefined && { $handler: handler }),
    ...(statusCode !== undefined && { $response_status_code: statusCode }),
    ...properties?.(),
  };
}

/** The result of option `properties`, as plain values. */
function ownProperties(call: FailedCall, { properties }: ExceptionRules, settings: TrackingSettings): Properties {
  if (properties === undefined) return {};
  const given = resultOf('properties', properties, call, properties, settings);
  if (given === FAILED || given === undefined || given === null) return {};
  const content = contentOf(given);
  if (content !== null) return plainCopy(content);
  settings.warn('exceptions: properties', `exceptions.properties must return an object. ${EFFECTS.properties}`);
  return {};
}

const EFFECTS = {
  status: 'The error counts as one of the server from status 500 on.',
  ignore: 'The error is captured.',
  properties: 'The error is captured without them.',
};

/**
 * The result of a callback of option `exceptions`, or FAILED after a warning.
 *
 * @param source the function of the application
 */
function resultOf<T>(
  option: keyof typeof EFFECTS,
  callback: (argument: T) => unknown,
  argument: T,
  source: unknown,
  { warn }: TrackingSettings,
): unknown {
  return callSync(callback, argument, (problem, thrown) =>
    warn(`exceptions: ${option}`, () => {
      const code = typeof source === 'function' ? (source as () => unknown) : callback;
      const what =
        problem === 'threw' ? `threw ${describeThrown(thrown, code)}` : `${problem}, but must be synchronous`;
      return `exceptions.${option} ${what}. ${EFFECTS[option]}`;
    }),
  );
}
