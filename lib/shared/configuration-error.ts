/**
 * Stops the boot because options are invalid. The message lists every problem with the option, its environment variable,
 * the value and what was expected. It never contains a key.
 */
export class PostHogConfigurationError extends Error {
  override readonly name = 'PostHogConfigurationError';

  /**
   * @param problems one sentence each
   * @param name the name of a named instance
   */
  constructor(
    readonly problems: readonly string[],
    name?: string,
  ) {
    const whose = name === undefined ? '' : ` of the instance "${name}"`;
    const lines = problems.map((problem) => `  - ${problem}`);
    super(`The PostHog capture options${whose} are not valid:\n${lines.join('\n')}`);
  }
}
