import { afterEach, describe, expect, it } from '@jest/globals';
import { CaptureService, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { CaptureOutbox, getOutboxToken, OUTBOX_SQL, PostHogOutboxModule } from 'nestjs-posthog-capture/outbox';
import { CaptureRecorder, PostHogCaptureTestingModule } from 'nestjs-posthog-capture/testing';
import { closeAll, KEY } from '../support/harness.js';
import { contextOf, FakeTransaction } from '../support/outbox.js';
import { silent } from '../support/recording.js';

afterEach(closeAll);

const POSTGRES = { dialect: 'postgres' } as const;
const event = (name: string): { event: string; distinctId: string } => ({ event: name, distinctId: 'user_1' });

describe('the module', () => {
  it.each([
    [{}, 'dialect: expected "postgres", "mysql", "sqlite" (mysql also for MariaDB)'],
    [{ dialect: 'postgres', table: 'a; DROP TABLE b' }, 'table: expected the name of a table'],
    [{ dialect: 'postgres', tabel: 'x' }, '"tabel" is not an option: did you mean table?'],
  ])('refuses %j at boot', async (options, problem) => {
    const imports = [PostHogCaptureModule.forRoot({ enabled: false }), PostHogOutboxModule.forRoot(options as never)];
    await expect(contextOf(imports)).rejects.toThrow(problem);
  });

  it('needs an instance', async () => {
    await expect(contextOf([PostHogOutboxModule.forRoot(POSTGRES)])).rejects.toThrow(
      'PostHogOutboxModule has no instance to work with: import PostHogCaptureModule.forRoot()',
    );
  });

  it('serves a named instance, and leaves the default one alone', async () => {
    const options = { apiKey: KEY, host: 'http://127.0.0.1:9', shutdownTimeoutMs: 0, logger: silent };
    const app = await contextOf([
      PostHogCaptureModule.forRoot(options),
      PostHogCaptureModule.forRoot({ ...options, name: 'billing' }),
      PostHogOutboxModule.forRootAsync({ useFactory: () => ({ ...POSTGRES, table: 'crm.events' }), name: 'billing' }),
    ]);
    const tx = new FakeTransaction();
    const [capture, billing] = [app.get(CaptureService), app.get<CaptureService>('CaptureService:billing')];
    await app.get<CaptureOutbox>(getOutboxToken('billing')).run(tx.run, () => {
      capture.capture(event('a'));
      billing.capture(event('b'));
    });
    expect(tx.names).toEqual([['b']]);
    expect(tx.statements[0]?.sql).toContain('INSERT INTO "crm"."events" ');
    expect(capture.stats().pending).toBe(1);
  });

  it('only runs the function while the instance is disabled', async () => {
    const app = await contextOf([
      PostHogCaptureModule.forRoot({ enabled: false }),
      PostHogOutboxModule.forRoot(POSTGRES),
    ]);
    const outbox = app.get(CaptureOutbox);
    expect(await outbox.run({}, () => 1)).toBe(1);
    expect(await outbox.afterCommit(() => 2)).toBe(2);
    expect(outbox.runSync({}, () => 3)).toBe(3);
    expect(
      await outbox.transaction({ transaction: (work: (tx: string) => unknown) => work('tx') }, (tx) =>
        Promise.resolve(tx),
      ),
    ).toBe('tx');
  });

  it('records the events of a transaction in tests when it ends, without a database', async () => {
    const app = await contextOf([
      PostHogCaptureTestingModule.forRoot({ logger: silent }),
      PostHogOutboxModule.forRoot(POSTGRES),
    ]);
    const [outbox, capture, recorder] = [app.get(CaptureOutbox), app.get(CaptureService), app.get(CaptureRecorder)];
    await outbox.run({ save: () => undefined }, () => {
      capture.capture(event('kept'));
      expect(recorder.events).toEqual([]);
    });
    const failed = outbox.transaction({ transaction: (work: (tx: object) => Promise<unknown>) => work({}) }, () => {
      capture.capture(event('undone'));
      return Promise.reject(new Error('failed'));
    });
    await expect(failed).rejects.toThrow('failed');
    expect(recorder.events.map(({ event: name }) => name)).toEqual(['kept']);
  });

  it('has the statements for migrations', () => {
    for (const dialect of ['postgres', 'mysql', 'sqlite'] as const) {
      expect(OUTBOX_SQL[dialect].up[0]).toMatch(/^CREATE TABLE ["`]posthog_outbox["`] \(/);
      expect(OUTBOX_SQL[dialect].down.at(-1)).toMatch(/^DROP TABLE ["`]posthog_outbox["`]$/);
    }
  });
});
