import { fieldOf } from '../shared/untrusted-values.js';
import { describeKey } from './describe-value.js';
import { isGiven, variableName } from './environment.js';

export interface SecretKeySources {
  /** Option `secretKey`. */
  readonly explicit: unknown;
  /** The name of a named instance, which reads only its own variable. */
  readonly name: string | undefined;
  /** Nest's ConfigService, or the environment. */
  readonly config: { get(path: string): unknown };
}

/** The secret key, or undefined if none is given; or what is wrong with it. */
export type SecretKey = { readonly key: string | undefined } | { readonly problem: string };

const EXPECTED = 'a secret key of the project (phs_…), or a personal API key (phx_…) that may read feature flags';

/** Reads the key that loads the definitions of feature flags. It is not an option of CaptureService, which must not have it. */
export function resolveSecretKey({ explicit, name, config }: SecretKeySources): SecretKey {
  const variable = variableName('secretKey', name);
  const [given] = [
    explicit,
    name === undefined ? fieldOf(config.get('posthog'), 'secretKey') : undefined,
    config.get(variable),
  ].filter(isGiven);
  if (given === undefined) return { key: undefined };
  const key = typeof given === 'string' ? given.trim() : '';
  if (/^(?!phc_)[\x21-\x7e]+$/.test(key)) return { key };
  const got = key.startsWith('phc_') ? 'the project API key (phc_…), which is public' : describeKey(given);
  return { problem: `secretKey (${variable}): got ${got}; expected ${EXPECTED}` };
}
