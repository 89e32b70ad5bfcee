import {
  type CanActivate,
  type ExecutionContext,
  Inject,
  Injectable,
  NotFoundException,
  Optional,
  type Type,
} from '@nestjs/common';
import { types } from 'node:util';
import { requestOf } from '../context/call-source.js';
import { describeThrown } from '../shared/describe-thrown.js';
import { callSync } from '../shared/untrusted-values.js';
import { Tracker } from '../tracking/tracker.js';
import { type DeclaredFlag, rememberFlag } from './declared-flag.js';
import { getFeatureFlagsToken } from './feature-flags-token.js';
import { FlagCall, type FlagReader } from './flag-call.js';

/** The error of a denied call, or a function that returns it. */
export type FlagDenial = 'not_found' | 'forbidden' | ((context: ExecutionContext) => Error);

/** Options of `@RequireFlag`. */
export interface RequireFlagOptions {
  /** The variant that is required. Default: the flag must be enabled, with any variant. */
  variant?: string;
  /** true: calls pass while the value of the flag is not known. Default: false. */
  defaultValue?: boolean;
  /**
   * `not_found`: the response to a route that does not exist; in GraphQL a NotFoundException. `forbidden`: Nest's error when a guard denies.
   * RPC and WebSocket have no status, so both are `forbidden` there. If the function throws or returns no Error, the default applies and
   * a warning is logged. Default: `not_found` over HTTP, `forbidden` elsewhere.
   */
  otherwise?: FlagDenial;
  /** Name of the instance. Default: the default instance. */
  name?: string;
}

/** Creates the guard of one `@RequireFlag`: a class, so that Nest injects the service of each application. */
export function flagGuard(
  key: string,
  { variant, defaultValue = false, otherwise, name }: RequireFlagOptions,
): Type<CanActivate> {
  const flag: DeclaredFlag = { by: '@RequireFlag', key, name };

  @Injectable()
  class FlagGuard implements CanActivate {
    readonly #call: FlagCall;

    constructor(
      @Optional() @Inject(getFeatureFlagsToken(name)) flags?: unknown,
      @Optional() @Inject(Tracker) tracker?: unknown,
    ) {
      this.#call = new FlagCall(flag, flags, tracker);
    }

    async canActivate(execution: ExecutionContext): Promise<boolean> {
      const isOn = await this.#call.ask(execution, (flags) => this.#isOn(flags), {
        failed: defaultValue,
        absent: false,
      });
      if (isOn) return true;
      const error = this.#denial(execution);
      if (error === null) return false;
      throw error;
    }

    async #isOn(flags: FlagReader): Promise<boolean> {
      if (variant === undefined) return await flags.isEnabled(key, { defaultValue });
      const value = await flags.value(key);
      return value === undefined ? defaultValue : value === variant;
    }

    /** null: Nest denies the call, with the error of its transport. */
    #denial(execution: ExecutionContext): Error | null {
      const own = typeof otherwise === 'function' ? this.#own(execution, otherwise) : undefined;
      if (own !== undefined) return own;
      const type = execution.getType<string>();
      if (type === 'http') return otherwise === 'forbidden' ? null : notFound(execution);
      return type === 'graphql' && otherwise === 'not_found' ? new NotFoundException() : null;
    }

    #own(execution: ExecutionContext, build: (context: ExecutionContext) => Error): Error | undefined {
      let problem = 'returned no Error';
      const error = callSync(build, execution, (what, thrown) => {
        problem = what === 'threw' ? `threw ${describeThrown(thrown, build)}` : what;
      });
      if (error instanceof Error || types.isNativeError(error)) return error;
      this.#call.warn(
        `flags: otherwise ${key}`,
        `@RequireFlag("${key}"): otherwise ${problem}, so the call was denied as by default. Return an Error.`,
      );
      return undefined;
    }
  }
  rememberFlag(FlagGuard, flag);
  return FlagGuard;
}

/** The error of Nest for a route that does not exist. */
function notFound(execution: ExecutionContext): NotFoundException {
  const { method, originalUrl, url } = requestOf({
    transport: 'http',
    request: execution.switchToHttp().getRequest<unknown>(),
  });
  const path = originalUrl ?? url;
  return typeof method === 'string' && typeof path === 'string'
    ? new NotFoundException(`Cannot ${method} ${path}`)
    : new NotFoundException();
}
