import { type DynamicModule, type INestApplicationContext, type LoggerService, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import { PostHogConfigurationError } from '../options/configuration-error.js';
import { messageOf, printable, UsageError } from './terminal.js';

const KEY_MISSING =
  'POSTHOG_API_KEY is not set: copy the project API key (phc_…) from the settings of your PostHog project into the ' +
  'environment, or into a .env file in this folder';

@Module({})
class CommandModule {}

/**
 * A Nest application for a command, with the settings of the environment and of a .env file.
 *
 * @param capture PostHogCaptureModule, or its stand-in for tests
 * @throws UsageError that says what is wrong with the settings
 */
export async function boot(capture: DynamicModule): Promise<INestApplicationContext> {
  try {
    const module = { module: CommandModule, imports: [ConfigModule.forRoot({ isGlobal: true }), capture] };
    return await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  } catch (error) {
    throw new UsageError(bootProblem(error));
  }
}

/**
 * Brings the settings of a .env file into the environment, which wins, for who asks for them before `boot`.
 *
 * @throws UsageError when there is one that cannot be read
 */
export async function readDotEnv(): Promise<void> {
  try {
    await ConfigModule.forRoot();
  } catch (error) {
    throw new UsageError(bootProblem(error));
  }
}

/** A logger for the module, of which a command shows warnings and errors. */
export function loggerTo(warn: (text: string) => void): LoggerService {
  const tell = (message: unknown): void => warn(printable(String(message)));
  return { log: () => undefined, warn: tell, error: tell };
}

function bootProblem(error: unknown): string {
  if (!(error instanceof PostHogConfigurationError)) {
    return `cannot start: ${messageOf(error)}`;
  }
  // The module's own words are for applications; a job has one place to put the key.
  const keyMissing = (process.env.POSTHOG_API_KEY ?? '').trim() === '';
  const problems = error.problems.map((problem) =>
    keyMissing && problem.startsWith('apiKey ') ? KEY_MISSING : problem,
  );
  return problems.join('; ');
}
