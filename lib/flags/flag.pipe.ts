import { type ExecutionContext, Inject, Injectable, Optional, type PipeTransform, type Type } from '@nestjs/common';
import { Tracker } from '../tracking/tracker.js';
import { type DeclaredFlag, rememberFlag } from './declared-flag.js';
import { type FlagValue } from './flag-snapshot.js';
import { getFeatureFlagsToken } from './feature-flags-token.js';
import { FlagCall, type FlagReader } from './flag-call.js';

/** Options of `@Flag`. */
export interface FlagOptions {
  /** The value while the value of the flag is not known. A flag that is off is `false`. Default: undefined. */
  defaultValue?: FlagValue;
  /** Name of the instance. Default: the default instance. */
  name?: string;
}

/** Carries Nest's context to the pipe. It has no properties, so that pipes of the application find nothing to change. */
export class CallOfFlag {
  readonly #execution: ExecutionContext;

  constructor(execution: ExecutionContext) {
    this.#execution = execution;
    Object.freeze(this);
  }

  /** undefined for anything else, such as a copy made by a pipe. */
  static executionOf(value: unknown): ExecutionContext | undefined {
    return typeof value === 'object' && value !== null && #execution in value ? value.#execution : undefined;
  }
}

/** Creates the pipe of one `@Flag`: a class, so that Nest injects the service of each application. */
export function flagPipe(key: string, { defaultValue, name }: FlagOptions): Type<PipeTransform> {
  const flag: DeclaredFlag = { by: '@Flag', key, name };

  @Injectable()
  class FlagPipe implements PipeTransform {
    readonly #call: FlagCall;

    constructor(
      @Optional() @Inject(getFeatureFlagsToken(name)) flags?: unknown,
      @Optional() @Inject(Tracker) tracker?: unknown,
    ) {
      this.#call = new FlagCall(flag, flags, tracker);
    }

    async transform(value: unknown): Promise<FlagValue | undefined> {
      const read = (flags: FlagReader): Promise<FlagValue | undefined> => flags.value(key);
      return (await this.#call.ask(CallOfFlag.executionOf(value), read, { failed: undefined })) ?? defaultValue;
    }
  }
  rememberFlag(FlagPipe, flag);
  return FlagPipe;
}
