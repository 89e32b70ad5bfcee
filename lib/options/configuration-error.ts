/**
 * The options of an instance cannot work: the boot stops. One error lists every problem, each with the option, its
 * environment variable, the value it got and what to do. It never holds a key.
 */
export class PostHogConfigurationError extends Error {
  override readonly name = 'PostHogConfigurationError';

  /**
   * @param problems one sentence each
   * @param instance the name of a named instance
   */
  constructor(
    readonly problems: readonly string[],
    instance?: string,
  ) {
    const whose = instance === undefined ? '' : ` of the instance "${instance}"`;
    const lines = problems.map((problem) => `  - ${problem}`);
    super(`The PostHog capture options${whose} are not valid:\n${lines.join('\n')}`);
  }
}
