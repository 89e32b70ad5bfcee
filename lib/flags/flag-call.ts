import { type ExecutionContext } from '@nestjs/common';
import { type Warn } from '../shared/unknown-fields.js';
import { describeThrown } from '../shared/describe-thrown.js';
import { withinCall } from '../tracking/propagation/call-scopes.js';
import { type DeclaredFlag } from './declared-flag.js';
import { type FeatureFlags } from './feature-flags.service.js';
import { flagLog } from './flag-log.js';

/** The part of the service that decorators use. A test may provide a double. */
export type FlagReader = Pick<FeatureFlags, 'isEnabled' | 'value'>;

/** Asks for the flag of one decorator, in the context of a call. */
export class FlagCall {
  readonly flag: DeclaredFlag;
  readonly warn: (kind: string, text: string) => void;
  readonly #flags: FlagReader | undefined;

  /** @param flags undefined if the application has no such instance */
  constructor(flag: DeclaredFlag, flags: unknown, tracker: unknown) {
    this.flag = flag;
    this.#flags = typeof flags === 'object' && flags !== null ? (flags as FlagReader) : undefined;
    this.warn = flagLog(tracker);
  }

  /**
   * Never throws.
   *
   * @param failed the result if the service failed
   * @param absent the result if there is no service
   */
  async ask<T>(
    execution: ExecutionContext | undefined,
    read: (flags: FlagReader) => Promise<T>,
    { failed, absent = failed }: { readonly failed: T; readonly absent?: T },
  ): Promise<T> {
    const flags = this.#flags;
    if (flags === undefined) {
      this.#warnOfAbsence();
      return absent;
    }
    try {
      return await (execution === undefined
        ? read(flags)
        : withinCall(execution, this.#warnOfContext, () => read(flags)));
    } catch (error) {
      const { by, key } = this.flag;
      this.warn(
        `flags: ${by} failed`,
        `${by}("${key}") used its default value: FeatureFlags threw ${describeThrown(error, read)}.`,
      );
      return failed;
    }
  }

  readonly #warnOfContext: Warn = (warning) => this.warn(`context: ${warning}`, `Context: ${warning}.`);

  #warnOfAbsence(): void {
    const { by, key, name } = this.flag;
    const remedy =
      name === undefined ? 'FeatureFlagsModule.forRoot()' : `FeatureFlagsModule.forRoot({ name: "${name}" })`;
    this.warn(
      `flags: no module ${name ?? ''}`,
      `${by}("${key}") ${by === '@Flag' ? 'has its default value' : 'denied the call'}: there is no FeatureFlags service${name === undefined ? '' : ` named "${name}"`}. Import ${remedy}.`,
    );
  }
}
