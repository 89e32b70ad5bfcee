import { PostHogConfigurationError } from '../../../lib/shared/configuration-error.js';
import { resolveOptions, type OptionSources } from '../../../lib/options/resolve-options.js';

export { PROJECT_KEY as KEY } from '../../support/secrets.js';

/** A ConfigService with these values. */
export const configOf = (values: Record<string, unknown>) => ({ get: (path: string): unknown => values[path] });

/** The boot error of these sources. Throws if there is none. */
export function errorOf(sources: OptionSources): PostHogConfigurationError {
  try {
    resolveOptions(sources);
  } catch (error) {
    if (error instanceof PostHogConfigurationError) return error;
    throw error;
  }
  throw new Error('the options were accepted');
}

export const problemsOf = (sources: OptionSources): readonly string[] => errorOf(sources).problems;
