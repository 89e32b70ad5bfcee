import { type DynamicModule, type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CaptureService, PostHogCaptureModule, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { CaptureOutbox, PostHogOutboxModule, type PostHogOutboxModuleOptions } from 'nestjs-posthog-capture/outbox';
import { KEY, onClose, PATIENT, startPostHog, watchAnswers, watchedOptions, type Harness } from './harness.js';
import { watch } from './secrets.js';

export interface OutboxHarness extends Harness {
  readonly outbox: CaptureOutbox;
}

/** An application with an outbox, and a local PostHog. */
export async function startOutbox(
  outbox: PostHogOutboxModuleOptions,
  options: PostHogCaptureModuleOptions = {},
  modules: readonly (Type | DynamicModule)[] = [],
): Promise<OutboxHarness> {
  const posthog = await startPostHog();
  const lines: string[] = [];
  const drops: Harness['drops'] = [];
  const captureModule = PostHogCaptureModule.forRoot({
    apiKey: KEY,
    host: posthog.url,
    ...PATIENT,
    flushIntervalMs: 5,
    ...watchedOptions(options, lines),
    onDrop: (drop) => {
      watch('onDrop', drop);
      drops.push(drop);
    },
  });
  const app = await contextOf([captureModule, PostHogOutboxModule.forRoot(outbox), ...modules]);
  const capture = app.get(CaptureService);
  watchAnswers(capture);
  return { app, capture, posthog, lines, drops, outbox: app.get(CaptureOutbox) };
}

@Module({})
class Application {}

/** An application of modules. Closed by `closeAll`. */
export async function contextOf(imports: readonly (Type | DynamicModule)[]): Promise<INestApplicationContext> {
  const app = await NestFactory.createApplicationContext(
    { module: Application, imports: [...imports] },
    { logger: false, abortOnError: false },
  );
  onClose(() => app.close());
  return app;
}

/** A transaction that keeps its statements: the function that an application passes if its client is not known. */
export class FakeTransaction {
  readonly statements: { readonly sql: string; readonly rows: readonly (string | number)[][] }[] = [];
  /** Set: each statement fails with it. */
  failure: Error | undefined;

  readonly run = (sql: string, values: readonly (string | number)[]): Promise<void> => {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const rows: (string | number)[][] = [];
    for (let index = 0; index < values.length; index += 7) rows.push(values.slice(index, index + 7));
    this.statements.push({ sql, rows });
    return Promise.resolve();
  };

  /** Names of the events of each statement. */
  get names(): unknown[][] {
    return this.statements.map(({ rows }) => rows.map(([, , name]) => name));
  }
}
