import { type DynamicModule } from '@nestjs/common';
import { FeatureFlagsModule, type FlagClient, type FlagValue } from 'nestjs-posthog-capture/flags';

/** In place of a client of posthog-node: knows values by key and person, and what it was asked. */
export class StandInClient implements FlagClient {
  /** One line for each evaluation: the person, and the keys. */
  readonly asked: string[] = [];
  readonly #values = new Map<string, FlagValue>();
  #error: Error | undefined;

  /** @param person default: everyone */
  set(key: string, value: FlagValue, person = ''): void {
    this.#values.set(`${key} ${person}`, value);
  }

  clear(): void {
    this.#values.clear();
  }

  fail(error: Error): void {
    this.#error = error;
  }

  async evaluateFlags(
    person: string,
    { flagKeys }: { readonly flagKeys: readonly string[] },
  ): ReturnType<FlagClient['evaluateFlags']> {
    this.asked.push(`${person}: ${[...flagKeys].sort().join(' ')}`);
    await new Promise(setImmediate);
    if (this.#error !== undefined) throw this.#error;
    const valueOf = (key: string) => this.#values.get(`${key} ${person}`) ?? this.#values.get(`${key} `);
    return {
      keys: flagKeys.filter((key) => valueOf(key) !== undefined),
      getFlag: valueOf,
      getFlagPayload: () => undefined,
    };
  }

  isLocalEvaluationReady(): boolean {
    return false;
  }

  on(): () => void {
    return () => undefined;
  }
}

/** FeatureFlagsModule, without posthog-node. */
export function flagsOf(client: FlagClient, name?: string): DynamicModule {
  return FeatureFlagsModule.forRoot({ client, ...(name !== undefined && { name }) });
}
