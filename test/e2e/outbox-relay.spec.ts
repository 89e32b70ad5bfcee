import { type DynamicModule, type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'libsql';
import { type CaptureService, getCaptureToken, type QueuedEvent } from 'nestjs-posthog-capture';
import { sqlOutbox, type SqlOutboxOptions } from 'nestjs-posthog-capture/outbox';
import { PostHogRelayModule, type PostHogRelayModuleOptions } from 'nestjs-posthog-capture/relay';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { captureSource } from '../../lib/inspector/capture-source.js';
import { EventFeed } from '../../lib/live/event-feed.js';
import { masker } from '../../lib/live/mask.js';
import { assessHealth } from '../../lib/health/assess-health.js';
import {
  closeAll,
  expectBalanced,
  KEY,
  onClose,
  startPostHog,
  watchAnswers,
  watchedOptions,
} from '../support/harness.js';
import { capturedEvent, capturedEvents, OutboxRows, projectAt } from '../support/outbox-rows.js';
import { ScriptedQueue } from '../support/scripted-queue.js';
import { idsOf } from '../support/stored-events.js';
import { until } from '../support/until.js';

interface Relay {
  readonly app: INestApplicationContext;
  readonly capture: CaptureService;
  readonly lines: string[];
}

let posthog: FakePostHog;
let db: Database.Database;
let rows: OutboxRows;
let project: string;

beforeEach(async () => {
  posthog = await startPostHog();
  db = new Database(':memory:');
  rows = new OutboxRows('sqlite', db);
  await rows.create();
  project = projectAt(posthog.url);
});
afterEach(closeAll);

const outbox = (): ReturnType<typeof sqlOutbox> => sqlOutbox({ run: db, dialect: 'sqlite' });

async function startRelay(options: PostHogRelayModuleOptions = {}): Promise<Relay> {
  const lines: string[] = [];
  const { logger } = watchedOptions({}, lines);
  const quick = { retryBaseMs: 4, retryMaxMs: 40, coolDownMs: 60, flushIntervalMs: 5 };
  const module = PostHogRelayModule.forRoot({
    apiKey: KEY,
    host: posthog.url,
    source: outbox(),
    ...quick,
    logger,
    ...options,
  });
  const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  onClose(() => app.close());
  const capture = app.get<CaptureService>(getCaptureToken('relay'));
  watchAnswers(capture);
  return { app, capture, lines };
}

/** Resolves when a relay has the lease. */
const taken = (): Promise<void> =>
  until(async () => (await rows.read('SELECT owner FROM posthog_outbox_relay')).length > 0);

/** The uuids of each person's events. Events of different persons may overtake each other. */
const groups = (uuids: readonly string[], events: readonly QueuedEvent[]): string[][] =>
  ['person_0', 'person_1', 'person_2'].map((person) =>
    uuids.filter((uuid) => events.some(({ id, orderKey }) => id === uuid && orderKey === person)),
  );

const bootError = async (options: PostHogRelayModuleOptions): Promise<string> =>
  startRelay(options).then(
    () => 'started',
    (error: unknown) => String(error),
  );

describe('a relay with an outbox as source', () => {
  it('sends the events in the order of their inserts per person, one row each, and deletes them', async () => {
    const events = capturedEvents(250);
    const inGroups = (uuids: readonly string[]): string[][] => groups(uuids, events);
    await rows.put(project, events);
    const { capture } = await startRelay();
    await posthog.waitFor(() => posthog.rows.length === 250);
    expect(inGroups(posthog.rows.map(({ uuid }) => uuid))).toEqual(inGroups(idsOf(events)));
    await until(async () => (await rows.ids()).length === 0);
    expect(capture.stats()).toMatchObject({ recovered: 250, delivered: 250, pending: 0, dropped: 0 });
    expectBalanced(capture);
    const late = capturedEvents(3, 250);
    await rows.put(project, late);
    await posthog.waitFor(() => posthog.rows.length === 253);
    expect(posthog.duplicates).toEqual([]);
  });

  it('sends AI events as well, from a lane of their own', async () => {
    const event = capturedEvent(1);
    const payload = event.payload.replace('"event":"event_1"', '"event":"$ai_generation"');
    await rows.put(project, [{ ...event, format: 'ai-v0', payload, bytes: Buffer.byteLength(payload) }]);
    await startRelay();
    await posthog.waitFor(() => posthog.rows.length === 1);
    await until(async () => (await rows.ids()).length === 0);
  });

  it('leaves the events of other projects alone, and never writes the key', async () => {
    const others = capturedEvents(3);
    await rows.put(projectAt('https://other.example.com'), others);
    await rows.put(project, capturedEvents(2, 3));
    await startRelay();
    await posthog.waitFor(() => posthog.rows.length === 2);
    await until(async () => (await rows.ids()).length === 3);
    expect(await rows.ids()).toEqual(idsOf(others));
    const all = [
      ...(await rows.read('SELECT * FROM posthog_outbox')),
      ...(await rows.read('SELECT * FROM posthog_outbox_relay')),
    ];
    expect(JSON.stringify(all)).not.toContain(KEY);
  });

  it('keeps events in the outbox while PostHog is down, and releases it when it is closed', async () => {
    posthog.failWhen(() => ({ status: 503 }));
    const events = capturedEvents(20);
    const inGroups = (uuids: readonly string[]): string[][] => groups(uuids, events);
    await rows.put(project, events);
    const { app, capture } = await startRelay();
    await until(() => capture.stats().coolDownUntil !== null);
    expect(await rows.ids()).toEqual(idsOf(events));
    await app.close();
    expect(capture.stats()).toMatchObject({ recovered: 20, pending: 20 });
    expect(await rows.read('SELECT * FROM posthog_outbox_relay')).toEqual([]);
    posthog.failWhen(null);
    await startRelay();
    await posthog.waitFor(() => posthog.rows.length === 20);
    expect(inGroups(posthog.rows.map(({ uuid }) => uuid))).toEqual(inGroups(idsOf(events)));
  });

  it('deletes an event that PostHog refuses, counted and with onDrop, and sends the others', async () => {
    posthog.failWhen(({ text }) => (/event_2/.test(text ?? '') ? { status: 400 } : null));
    const drops: unknown[] = [];
    await rows.put(project, capturedEvents(5));
    const { capture } = await startRelay({ onDrop: ({ reason, event }) => void drops.push({ reason, event }) });
    await posthog.waitFor(() => posthog.rows.length === 4);
    await until(async () => (await rows.ids()).length === 0);
    expect(drops).toEqual([{ reason: 'rejected', event: 'event_2' }]);
    expect(capture.stats()).toMatchObject({ delivered: 4, droppedByReason: { rejected: 1 } });
  });

  it('lets a second relay stand by, which takes over when the first one is closed', async () => {
    const first = await startRelay();
    await taken();
    const second = await startRelay();
    await until(() => second.capture.stats().queue?.relays === 1);
    expect(second.capture.stats().queue).toMatchObject({ partitionsHeld: 0, kind: 'outbox' });
    await rows.put(project, capturedEvents(5));
    await posthog.waitFor(() => posthog.rows.length === 5);
    expect(second.capture.stats().recovered).toBe(0);
    await first.app.close();
    await rows.put(project, capturedEvents(5, 5));
    await posthog.waitFor(() => posthog.rows.length === 10);
    expect(second.capture.stats()).toMatchObject({ recovered: 5 });
    expect(posthog.duplicates).toEqual([]);
  });

  it('shows depth, age and its own state in stats, health and the inspector', async () => {
    posthog.failWhen(() => ({ status: 503 }));
    const event = { ...capturedEvent(1), capturedAt: Date.now() - 600_000 };
    await rows.put(project, [event, capturedEvent(2)]);
    const { capture } = await startRelay();
    await until(() => capture.stats().queue?.events === 2);
    const { queue } = capture.stats();
    expect(queue).toMatchObject({ kind: 'outbox', role: 'relay', state: 'ok', events: 2, bytes: null, relays: 1 });
    expect(queue?.oldestMs).toBeGreaterThanOrEqual(600_000);
    const { problems } = assessHealth(capture.stats());
    expect(problems.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^The oldest event has been waiting for 6\d\d s$/),
    );
    const probe = captureSource(capture, 'relay').attach(
      new EventFeed({ maxEvents: 5, maxLength: 1000 }, masker(undefined)),
    );
    expect(probe.state().detail).toMatch(
      /^Outbox: 2 events, oldest 6\d\d s, this relay is active\. The oldest event has been waiting for 6\d\d s: /,
    );
    probe.detach();
  });

  it('says that its table has vanished, in the log, health and stats, and goes on when it is back', async () => {
    const { capture, lines } = await startRelay();
    await taken();
    await rows.drop();
    const remedy = 'create it with the statements that npx posthog-capture outbox-sql --dialect sqlite prints';
    const message = 'A table of the outbox does not exist (SQLITE_ERROR)';
    await until(() => lines.some((line) => line.includes(message)));
    await until(() => capture.stats().queue?.state === 'down');
    expect(assessHealth(capture.stats())).toMatchObject({ health: 'down', problems: [{ message, remedy }] });
    await rows.create();
    await rows.put(project, capturedEvents(2));
    await posthog.waitFor(() => posthog.rows.length === 2);
  });

  /** A client that changes the names of columns. */
  const renaming =
    (rename: (name: string) => string) =>
    (text: string): unknown => {
      const statement = db.prepare(text);
      if (!/^SELECT/.test(text)) return statement.run();
      return (statement.all() as object[]).map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [rename(name), value as unknown])),
      );
    };

  it('works with a client that returns the names of columns in camel case', async () => {
    await rows.put(project, capturedEvents(2));
    const run = renaming((name) => name.replaceAll(/_(\w)/g, (_match, letter: string) => letter.toUpperCase()));
    await startRelay({ source: sqlOutbox({ run, dialect: 'sqlite' }) });
    await posthog.waitFor(() => posthog.rows.length === 2);
    await until(async () => (await rows.ids()).length === 0);
  });

  it('reports a client that changes the names of columns, and leaves the rows alone', async () => {
    await rows.put(project, capturedEvents(2));
    const run = renaming((name) => (name === 'payload' ? 'PAYLOAD' : name));
    const { capture } = await startRelay({ source: sqlOutbox({ run, dialect: 'sqlite' }) });
    await until(() => capture.stats().queue?.state === 'down');
    expect(assessHealth(capture.stats())).toMatchObject({
      health: 'down',
      problems: [{ message: 'The client of the database returns rows with other column names (COLUMN_NAMES)' }],
    });
    expect(await rows.read('SELECT DISTINCT project FROM posthog_outbox')).toEqual([{ project }]);
  });

  it('starts while the database is down, and takes events once it is there', async () => {
    const missing = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    let isDown = true;
    const run = (text: string): unknown => {
      if (isDown) throw missing;
      const statement = db.prepare(text);
      return /^SELECT/.test(text) ? statement.all() : statement.run();
    };
    await rows.put(project, capturedEvents(2));
    const { capture, lines } = await startRelay({ source: sqlOutbox({ run, dialect: 'sqlite' }) });
    await until(() => lines.some((line) => line.includes('The database cannot be reached (ECONNREFUSED)')));
    expect(assessHealth(capture.stats())).toMatchObject({ health: 'degraded' });
    isDown = false;
    await posthog.waitFor(() => posthog.rows.length === 2);
  });

  it('puts the events into a queue if it has one, and sends nothing to PostHog', async () => {
    const queue = new ScriptedQueue();
    const deliveries: unknown[] = [];
    const events = capturedEvents(30);
    const inGroups = (uuids: readonly string[]): string[][] => groups(uuids, events);
    await rows.put(project, events);
    queue.mode = 'down';
    const { app, capture, lines } = await startRelay({ queue, onDelivery: (one) => void deliveries.push(one) });
    await until(() => lines.some((line) => line.includes('The queue is down')));
    expect(await rows.ids()).toEqual(idsOf(events));
    queue.mode = 'ok';
    await until(async () => (await rows.ids()).length === 0);
    expect(new Set(queue.entries.map((entry) => entry.project))).toEqual(new Set([project]));
    expect(inGroups(queue.entries.map(({ event: { id } }) => id))).toEqual(inGroups(idsOf(events)));
    expect(capture.stats()).toMatchObject({ recovered: 30, delivered: 30, queue: { kind: 'outbox', handsOn: true } });
    expect(deliveries).toEqual([]);
    expect(posthog.requests).toEqual([]);
    await app.close();
    expect(queue.released).toBeGreaterThan(0);
  });
});

describe('the boot', () => {
  it('names the command that prints the tables if they are missing', async () => {
    await rows.drop();
    expect(await bootError({})).toContain(
      'outbox: A table of the outbox does not exist (SQLITE_ERROR): create it with the statements that npx posthog-capture outbox-sql --dialect sqlite prints',
    );
    expect(await bootError({ source: sqlOutbox({ run: db, dialect: 'sqlite', table: 'crm_events' }) })).toContain(
      'npx posthog-capture outbox-sql --dialect sqlite --table crm_events prints',
    );
  });

  it.each(['postgres', 'mysql'] as const)('refuses the dialect %s for a database of SQLite', async (dialect) => {
    expect(await bootError({ source: sqlOutbox({ run: db, dialect }) })).toContain(
      'set the option dialect to that of the database',
    );
  });

  it('refuses a table of another shape', async () => {
    await rows.run('ALTER TABLE posthog_outbox DROP COLUMN order_key');
    expect(await bootError({})).toContain('outbox: A table with the name of the outbox lacks a column');
  });

  it.each<[string, object, string]>([
    ['no database', {}, 'outbox: run: expected a DataSource of TypeORM'],
    [
      'another dialect',
      { run: (): [] => [], dialect: 'oracle' },
      'outbox: dialect: expected "postgres", "mysql", "sqlite"',
    ],
    [
      'a table that is no name',
      { run: (): [] => [], dialect: 'mysql', table: 'a;b' },
      'outbox: table: expected the name',
    ],
    [
      'an unknown option',
      { run: (): [] => [], dialect: 'mysql', tabel: 'a' },
      'outbox: "tabel" is not an option: did you mean table?',
    ],
  ])('refuses %s', (_what, options, problem) => {
    expect(() => sqlOutbox(options as SqlOutboxOptions)).toThrow(problem);
  });

  it('refuses waitUntil', async () => {
    expect(await bootError({ waitUntil: () => undefined } as PostHogRelayModuleOptions)).toContain(
      'waitUntil: a relay runs until it is closed: remove it',
    );
  });

  it('refuses a queue beside another queue', async () => {
    const queue = new ScriptedQueue();
    expect(await bootError({ source: new ScriptedQueue(), queue })).toContain(
      'queue: a relay takes events from a queue: pass it as source',
    );
    expect(await bootError({ source: {} as never })).toContain('an outbox, such as sqlOutbox({ run, dialect })');
  });
});

it('ends before modules of the application close their database', async () => {
  posthog.failWhen(() => ({ status: 503 }));
  @Module({})
  class DatabaseModule {
    onApplicationShutdown(): void {
      db.close();
    }
  }
  @Module({})
  class RelayApplication {}
  const relay: DynamicModule = PostHogRelayModule.forRootAsync({
    imports: [DatabaseModule],
    useFactory: () => ({ apiKey: KEY, host: posthog.url, source: outbox() }),
  });
  const released: string[] = [];
  const run = db.prepare.bind(db);
  Object.defineProperty(db, 'prepare', {
    value: (text: string) => {
      if (text.startsWith('DELETE FROM "posthog_outbox_relay"')) released.push(text);
      return run(text);
    },
  });
  await rows.put(project, capturedEvents(1));
  const app = await NestFactory.createApplicationContext(
    { module: RelayApplication, imports: [DatabaseModule, relay] },
    { logger: false },
  );
  const capture = app.get<CaptureService>(getCaptureToken('relay'));
  await until(() => capture.stats().recovered === 1);
  await app.close();
  expect(db.open).toBe(false);
  expect(released).not.toEqual([]);
});
