import { type DynamicModule, type INestApplicationContext, type LoggerService, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { loadDotEnv } from './dot-env.js';
import { messageOf, printable, UsageError } from './terminal.js';

const KEY_MISSING =
  'POSTHOG_API_KEY is not set: copy the project API key (phc_…) from your PostHog project settings and set it in the ' +
  'environment or in a .env file in this directory';

@Module({})
class CommandModule {}

/**
 * Creates the Nest application of a command. Settings come from the environment and from a .env file.
 *
 * @param capture PostHogCaptureModule or PostHogCaptureTestingModule
 * @throws UsageError if the settings are invalid
 */
export async function boot(capture: DynamicModule): Promise<INestApplicationContext> {
  try {
    await loadDotEnv();
    const module = { module: CommandModule, imports: [capture] };
    return await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  } catch (error) {
    throw new UsageError(bootProblem(error));
  }
}

/**
 * Loads a .env file into the environment, for settings that are needed before `boot`. Variables that are already set take precedence.
 *
 * @throws UsageError if the file exists but cannot be read
 */
export async function readDotEnv(): Promise<void> {
  try {
    await loadDotEnv();
  } catch (error) {
    throw new UsageError(bootProblem(error));
  }
}

/** A logger that prints warnings and errors only. */
export function loggerTo(warn: (text: string) => void): LoggerService {
  const print = (message: unknown): void => warn(printable(String(message)));
  return { log: () => undefined, warn: print, error: print };
}

function bootProblem(error: unknown): string {
  if (!(error instanceof PostHogConfigurationError)) {
    return `cannot start: ${messageOf(error)}`;
  }
  // The module's message mentions the apiKey option, which a command does not have.
  const keyMissing = (process.env.POSTHOG_API_KEY ?? '').trim() === '';
  const problems = error.problems.map((problem) =>
    keyMissing && problem.startsWith('apiKey ') ? KEY_MISSING : problem,
  );
  return problems.join('; ');
}
