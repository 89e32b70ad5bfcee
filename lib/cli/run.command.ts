import { type DynamicModule, type INestApplicationContext, type LoggerService, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import { CaptureService } from '../capture/capture.service.js';
import { type CaptureEventDto } from '../capture/dto/capture-event.dto.js';
import { type CaptureResult } from '../capture/dto/capture-result.js';
import { PostHogConfigurationError } from '../config/configuration-error.js';
import { PostHogCaptureModule } from '../posthog-capture.module.js';
import { type Flags } from './flags.js';
import { readJob } from './job.js';
import { printable } from './printable.js';
import { EXIT, messageOf, type Terminal, UsageError } from './terminal.js';

const KEY_MISSING =
  'POSTHOG_API_KEY is not set: copy the project API key (phc_…) from the settings of your PostHog project into the ' +
  'environment, or into a .env file in this folder';

@Module({})
class RunModule {}

/**
 * `posthog-capture run`: sends one event, prints the answer, and says by the exit code how it went.
 *
 * @throws UsageError when nothing can be sent
 */
export async function run(values: Flags['values'], terminal: Terminal): Promise<number> {
  try {
    const event = await readJob(values, terminal);
    const { success } = await send(event, values.get('host'), terminal);
    if (success) return EXIT.ok;
  } catch (error) {
    if (!terminal.signal.aborted) throw error;
  }
  return terminal.signal.aborted ? EXIT.interrupted : EXIT.failed;
}

async function send(event: CaptureEventDto, host: string | undefined, terminal: Terminal): Promise<CaptureResult> {
  const app = await boot(host, terminal);
  try {
    const result = await app.get(CaptureService).captureNow(event.toCaptureEvent(), { signal: terminal.signal });
    terminal.out(`${JSON.stringify(result)}\n`);
    return result;
  } finally {
    await app.close();
  }
}

async function boot(host: string | undefined, { err }: Terminal): Promise<INestApplicationContext> {
  const warn = (message: unknown): void => {
    const text = printable(String(message));
    // The answer on standard output says it already.
    if (!text.includes('(undelivered)')) err(`posthog-capture run: warning: ${text}\n`);
  };
  const logger: LoggerService = { log: () => undefined, warn, error: warn };
  try {
    const module: DynamicModule = {
      module: RunModule,
      imports: [ConfigModule.forRoot({ isGlobal: true }), PostHogCaptureModule.forRoot({ host, logger })],
    };
    return await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  } catch (error) {
    throw new UsageError(bootProblem(error));
  }
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
