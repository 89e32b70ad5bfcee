import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { TrackEvent } from 'nestjs-posthog-capture';
import { PostHogOutboxError } from 'nestjs-posthog-capture/outbox';
import { closeAll, expectBalanced } from '../support/harness.js';
import { FakeTransaction, startOutbox } from '../support/outbox.js';

afterEach(closeAll);

const POSTGRES = { dialect: 'postgres' } as const;
const MYSQL = { dialect: 'mysql' } as const;
const event = (name: string): { event: string; distinctId: string } => ({ event: name, distinctId: 'user_1' });
const rejected = async (work: Promise<unknown>): Promise<PostHogOutboxError> => {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PostHogOutboxError);
  return error as PostHogOutboxError;
};

describe('run', () => {
  it('writes the events of the function with one INSERT at its end, and nothing goes to PostHog', async () => {
    const { outbox, capture, posthog } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    const result = await outbox.run(tx.run, async () => {
      const uuid = capture.capture(event('first'));
      await Promise.resolve();
      capture.capture(event('second'));
      expect(tx.statements).toHaveLength(0);
      expect(capture.stats()).toMatchObject({ captured: 2, pending: 2, delivered: 0 });
      expect(capture.stats().pendingBytes).toBeGreaterThan(0);
      expectBalanced(capture);
      return uuid;
    });
    const [statement] = tx.statements;
    expect(statement?.sql).toMatch(
      /^INSERT INTO "posthog_outbox" \(project, .*\) VALUES \(\$1, .*\$7\), \(\$8, .*\$14\)$/,
    );
    expect(tx.names).toEqual([['first', 'second']]);
    const [project, uuid, , orderKey, format, payload, capturedAt] = statement?.rows[0] ?? [];
    expect(project).toMatch(/^[0-9a-f]{16}$/);
    expect([uuid, orderKey, format]).toEqual([result, 'user_1', 'v0']);
    expect(JSON.parse(String(payload))).toMatchObject({ event: 'first', distinct_id: 'user_1', uuid: result });
    expect(Math.abs(Date.now() - Number(capturedAt))).toBeLessThan(600_000);
    expect(capture.stats()).toMatchObject({ captured: 2, pending: 0, pendingBytes: 0, delivered: 2, dropped: 0 });
    await capture.flush();
    expect(posthog.events).toEqual([]);
  });

  it('captures outside of it as usual, also at the same time', async () => {
    const { outbox, capture, posthog } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    let finish = (): void => undefined;
    const running = outbox.run(tx.run, async () => {
      capture.capture(event('inside'));
      await new Promise<void>((resolve) => (finish = resolve));
    });
    capture.capture(event('outside'));
    expect(await capture.flush()).toMatchObject({ delivered: 1, pending: 1 });
    finish();
    await running;
    expect(posthog.events.map(({ event: name }) => name)).toEqual(['outside']);
    expect(tx.names).toEqual([['inside']]);
    expectBalanced(capture);
  });

  it('runs no statement without events', async () => {
    const { outbox } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    expect(await outbox.run(tx.run, () => 'nothing')).toBe('nothing');
    expect(tx.statements).toEqual([]);
  });

  it('drops the events as rolled_back if the function fails, and passes its error on', async () => {
    const { outbox, capture, drops, lines } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    const problem = new Error('out of stock');
    const running = outbox.run(tx.run, () => {
      capture.capture(event('order_placed'));
      throw problem;
    });
    await expect(running).rejects.toBe(problem);
    expect(tx.statements).toEqual([]);
    expect(drops).toEqual([
      {
        reason: 'rolled_back',
        event: 'order_placed',
        uuid: expect.any(String),
        detail: 'its transaction was rolled back',
      },
    ]);
    expect(capture.stats()).toMatchObject({ captured: 1, pending: 0, dropped: 1, droppedByReason: { rolled_back: 1 } });
    expect(lines).toEqual([]);
  });

  it('rejects if the events cannot be written, and names the command for a table that is missing', async () => {
    const { outbox, capture, drops } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    tx.failure = Object.assign(new Error('relation "posthog_outbox" does not exist'), { code: '42P01' });
    const error = await rejected(outbox.run(tx.run, () => capture.capture(event('order_placed'))));
    expect(error.message).toBe(
      'The events of the transaction could not be written to "posthog_outbox", so it must be rolled back. A table of the outbox does not ' +
        'exist (42P01). Remedy: create it with the statements that npx posthog-capture outbox-sql --dialect postgres prints.',
    );
    expect(error.cause).toBe(tx.failure);
    expect(drops).toMatchObject([{ reason: 'rolled_back', event: 'order_placed' }]);
    expect(capture.stats()).toMatchObject({ captured: 1, pending: 0, delivered: 0, dropped: 1 });
    tx.failure = new Error('a text with the payload');
    expect((await rejected(outbox.run(tx.run, () => capture.capture(event('b'))))).message).not.toContain('payload');
  });

  it.each([
    ['40001', 'The database ended the transaction because of a conflict with another one', 'repeat the transaction'],
    ['ER_LOCK_DEADLOCK', 'The database ended the transaction because of a conflict', 'repeat the transaction'],
    ['42501', 'The database user lacks a permission', 'grant the user of the application INSERT on the table'],
    ['42601', 'The database does not understand the statement', 'set the option dialect to that of the database'],
    ['25P02', 'An earlier statement of the transaction has failed', 'roll back to a savepoint'],
    ['ER_NET_PACKET_TOO_LARGE', 'The statement is larger than the database accepts', 'raise max_allowed_packet'],
    ['42703', 'A table with the name of the outbox lacks a column', 'compare its columns with those that npx posthog-'],
    ['ER_BAD_FIELD_ERROR', 'A table with the name of the outbox lacks a column', 'compare its columns'],
    ['23502', 'A table with the name of the outbox has other columns', 'compare its columns'],
    ['57014', 'The database returned an error', 'see the cause of this error'],
  ])(
    'has the code %s of the database, by which a transaction may be repeated, and a remedy',
    async (code, message, remedy) => {
      const { outbox, capture } = await startOutbox(POSTGRES);
      const tx = new FakeTransaction();
      tx.failure = Object.assign(new Error('of a client'), {
        driverError: Object.assign(new Error('of a driver'), { code }),
      });
      const error = await rejected(outbox.run(tx.run, () => capture.capture(event('order_placed'))));
      expect(error.code).toBe(code);
      expect(error.message).toContain(message);
      expect(error.message).toContain(`(${code}). Remedy: ${remedy}`);
    },
  );

  it('recognizes a table that lacks a column by the message of a library without codes', async () => {
    const { outbox, capture } = await startOutbox({ ...POSTGRES, table: 'crm.events' });
    const tx = new FakeTransaction();
    for (const message of [
      'column "project" of relation "events" does not exist',
      "Unknown column 'project' in 'field list'",
      'table events has no column named project',
    ]) {
      tx.failure = new Error(message);
      const error = await rejected(outbox.run(tx.run, () => capture.capture(event('order_placed'))));
      expect(error.message).toContain(
        'A table with the name of the outbox lacks a column. Remedy: compare its columns with those that npx posthog-capture outbox-sql ' +
          '--dialect postgres --table crm.events prints; if it is a table of something else, choose another name with the option table.',
      );
    }
  });

  it('writes after each 1000 events or 4 MiB once more', async () => {
    const { outbox, capture } = await startOutbox(MYSQL);
    const tx = new FakeTransaction();
    await outbox.run(tx.run, async () => {
      for (let index = 0; index < 1002; index += 1) capture.capture(event(`e${index}`));
      await Promise.resolve();
      expect(tx.statements.map(({ rows }) => rows.length)).toEqual([1000]);
      expect(capture.stats()).toMatchObject({ captured: 1002, pending: 1002, delivered: 0 });
      const text = 'x'.repeat(800_000);
      for (let index = 0; index < 7; index += 1) capture.capture({ ...event('large'), properties: { text } });
    });
    expect(tx.statements.map(({ rows }) => rows.length)).toEqual([1000, 8, 1]);
    expect(capture.stats()).toMatchObject({ pending: 0, delivered: 1009 });
  });

  it('runs no statement beside one of the function with PostgreSQL, unless it awaits ready()', async () => {
    const { outbox, capture } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    await outbox.run(tx.run, async () => {
      for (let index = 0; index < 2500; index += 1) capture.capture(event('many'));
      await new Promise(setImmediate);
      expect(tx.statements).toHaveLength(0);
      await capture.ready();
      expect(tx.statements.map(({ rows }) => rows.length)).toEqual([1000, 1000, 500]);
      for (let index = 0; index < 1001; index += 1) capture.capture(event('many'));
      expect(capture.stats()).toMatchObject({ captured: 3501, pending: 3501 });
    });
    expect(tx.statements.map(({ rows }) => rows.length)).toEqual([1000, 1000, 500, 1000, 1]);
    expect(capture.stats()).toMatchObject({ pending: 0, delivered: 3501 });
  });

  it('rejects with the error of a statement that ready() has run', async () => {
    const { outbox, capture } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    const running = outbox.run(tx.run, async () => {
      for (let index = 0; index < 1000; index += 1) capture.capture(event('many'));
      tx.failure = new Error('disk full');
      await capture.ready();
      tx.failure = undefined;
      capture.capture(event('last'));
    });
    expect((await rejected(running)).cause).toMatchObject({ message: 'disk full' });
    expect(tx.statements).toEqual([]);
    expect(capture.stats()).toMatchObject({ pending: 0, droppedByReason: { rolled_back: 1001 } });
  });

  it('drops the events that were written before the function failed', async () => {
    const { outbox, capture } = await startOutbox(MYSQL);
    const tx = new FakeTransaction();
    const running = outbox.run(tx.run, async () => {
      for (let index = 0; index < 1001; index += 1) capture.capture(event('many'));
      await Promise.resolve();
      throw new Error('failed');
    });
    await expect(running).rejects.toThrow('failed');
    expect(tx.statements).toHaveLength(1);
    expect(capture.stats()).toMatchObject({ pending: 0, delivered: 0, droppedByReason: { rolled_back: 1001 } });
  });

  it('is part of a run with the same transaction, and apart from one with another', async () => {
    const { outbox, capture, drops } = await startOutbox(POSTGRES);
    const [tx, other] = [new FakeTransaction(), new FakeTransaction()];
    await outbox.run(tx.run, async () => {
      capture.capture(event('a'));
      await outbox.run(tx.run, () => capture.capture(event('b')));
      await outbox.run(other.run, async () => {
        capture.capture(event('other'));
        await outbox.run(tx.run, () => capture.capture(event('c')));
      });
      const caught = outbox.run(tx.run, () => {
        capture.capture(event('undone'));
        throw new Error('caught');
      });
      await expect(caught).rejects.toThrow('caught');
      capture.capture(event('d'));
      expectBalanced(capture);
    });
    expect(tx.names).toEqual([['a', 'b', 'c', 'd']]);
    expect(other.names).toEqual([['other']]);
    expect(drops.map(({ event: name, reason }) => [name, reason])).toEqual([['undone', 'rolled_back']]);
    expect(capture.stats()).toMatchObject({ captured: 6, delivered: 5, dropped: 1, pending: 0 });
  });

  it('leaves captureNow out', async () => {
    const { outbox, capture, posthog } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    const result = await outbox.run(tx.run, () => capture.captureNow(event('now')));
    expect(result.success).toBe(true);
    expect(posthog.events).toHaveLength(1);
    expect(tx.statements).toEqual([]);
  });

  it('sends what work captures that was not awaited, and warns of it once', async () => {
    const { outbox, capture, posthog, lines } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    let go = (): void => undefined;
    let stray: Promise<unknown> = Promise.resolve();
    await outbox.run(tx.run, () => {
      stray = new Promise<void>((resolve) => (go = resolve)).then(() => {
        capture.capture(event('late'));
        capture.capture(event('later'));
      });
    });
    go();
    await stray;
    await capture.flush();
    expect(posthog.events.map(({ event: name }) => name)).toEqual(['late', 'later']);
    expect(tx.statements).toEqual([]);
    expect(lines.filter((line) => line.includes('that was not awaited'))).toHaveLength(1);
  });

  it('writes the events of @TrackEvent on methods that are called in it', async () => {
    @Injectable()
    class Orders {
      @TrackEvent('order_placed', { distinctId: ({ args }) => String(args[0]) })
      place(user: string): string {
        return user;
      }
    }
    const { outbox, app } = await startOutbox(POSTGRES, {}, [{ module: Orders, providers: [Orders] }]);
    const tx = new FakeTransaction();
    expect(await outbox.run(tx.run, () => app.get(Orders).place('user_7'))).toBe('user_7');
    expect(tx.names).toEqual([['order_placed']]);
  });

  it('writes AI events for the project of AI events', async () => {
    const { outbox, capture } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    await outbox.run(tx.run, () => {
      capture.capture(event('a'));
      capture.captureAi({ ...event('$ai_generation'), properties: { $ai_model: 'm', $ai_trace_id: 't' } });
    });
    const [row, ai] = tx.statements[0]?.rows ?? [];
    expect(ai?.[0]).toBe(`${row?.[0]}+ai`);
    expect(ai?.[4]).toBe('ai-v0');
  });

  it('stores names and order keys that a database accepts', async () => {
    const { outbox, capture, drops } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    await outbox.run(tx.run, () => {
      capture.capture({ event: `n\0${'🎉'.repeat(40)}`, distinctId: `d\ud800${'x'.repeat(150)}` });
    });
    expect(drops).toEqual([]);
    const [, , name, orderKey, , payload] = tx.statements[0]?.rows[0] ?? [];
    for (const text of [name, orderKey, payload].map(String)) expect(text).not.toMatch(/\0|\p{Surrogate}/u);
    expect(String(name)).toMatch(/^n\uFFFD(?:🎉){40}$/);
    expect(String(orderKey)).toMatch(/^d\uFFFDx+$/);
  });

  it.each([
    ['nothing', undefined],
    ['a text', 'tx'],
    ['an object of an unknown client', { execute: 1 }],
  ])('refuses %s, before the function is called', async (_title, tx) => {
    const { outbox } = await startOutbox(POSTGRES);
    const error = await rejected(outbox.run(tx as object, () => expect('called').toBe(false)));
    expect(error.message).toContain('pass a function (sql, values) => …');
  });

  it('waits for open transactions when the application closes', async () => {
    const { outbox, capture, app } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    let finish = (): void => undefined;
    const running = outbox.run(tx.run, async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      capture.capture(event('last'));
    });
    const closing = app.close();
    finish();
    await running;
    await closing;
    expect(tx.names).toEqual([['last']]);
    expect(capture.stats()).toMatchObject({ captured: 1, delivered: 1, pending: 0 });
  });

  it('waits for transactions that begin while the application closes', async () => {
    const { outbox, capture, app } = await startOutbox(POSTGRES);
    const [first, second] = [new FakeTransaction(), new FakeTransaction()];
    const ends: (() => void)[] = [];
    const order: string[] = [];
    const begin = (tx: FakeTransaction): Promise<void> =>
      outbox.run(tx.run, async () => {
        capture.capture(event('a'));
        await new Promise<void>((resolve) => ends.push(resolve));
        for (let turn = 0; turn < 200; turn += 1) await new Promise(setImmediate);
        order.push('ended');
      });
    const running = [begin(first)];
    const closing = app.close().then(() => order.push('closed'));
    await new Promise(setImmediate);
    running.push(begin(second));
    ends[0]?.();
    await running[0];
    ends[1]?.();
    await Promise.all([...running, closing]);
    expect(order).toEqual(['ended', 'ended', 'closed']);
    expect([first.names, second.names]).toEqual([[['a']], [['a']]]);
    expect(capture.stats()).toMatchObject({ captured: 2, delivered: 2, pending: 0 });
  });

  it('writes events after the shutdown as before', async () => {
    const { outbox, capture, app } = await startOutbox(POSTGRES);
    await app.close();
    const tx = new FakeTransaction();
    await outbox.run(tx.run, () => capture.capture(event('last')));
    expect(tx.names).toEqual([['last']]);
  });

  it('says how many events are in transactions that outlast the time limit of the shutdown', async () => {
    const { outbox, capture, app, lines } = await startOutbox(POSTGRES, { shutdownTimeoutMs: 0 });
    const tx = new FakeTransaction();
    let finish = (): void => undefined;
    const running = outbox.run(tx.run, async () => {
      capture.capture(event('last'));
      await new Promise<void>((resolve) => (finish = resolve));
    });
    await app.close();
    expect(lines.join('\n')).toMatch(
      /: 0 events were delivered, 1 are in transactions that are still open, 0 were lost/,
    );
    finish();
    await running;
    expect(tx.names).toEqual([['last']]);
    expect(capture.stats()).toMatchObject({ captured: 1, delivered: 1, pending: 0 });
  });
});

describe('transaction', () => {
  it('opens the transaction with a function, and counts its events when it is committed', async () => {
    const { outbox, capture } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    const result = await outbox.transaction(
      async (work: (tx: FakeTransaction['run']) => Promise<number>) => {
        const worked = await work(tx.run);
        expect(tx.names).toEqual([['a']]);
        expect(capture.stats()).toMatchObject({ pending: 1, delivered: 0 });
        return worked;
      },
      (given) => {
        expect(given).toBe(tx.run);
        capture.capture(event('a'));
        return Promise.resolve(7);
      },
    );
    expect(result).toBe(7);
    expect(capture.stats()).toMatchObject({ pending: 0, delivered: 1 });
  });

  it('sees a COMMIT that fails', async () => {
    const { outbox, capture, drops } = await startOutbox(POSTGRES);
    const failed = outbox.transaction(
      async (work: (tx: FakeTransaction['run']) => Promise<unknown>) => {
        await work(new FakeTransaction().run);
        throw new Error('deferred constraint');
      },
      () => Promise.resolve(capture.capture(event('a'))),
    );
    await expect(failed).rejects.toThrow('deferred constraint');
    expect(drops).toMatchObject([{ reason: 'rolled_back', detail: 'its transaction could not be committed' }]);
    expect(capture.stats()).toMatchObject({ pending: 0, delivered: 0, dropped: 1 });
  });

  it('counts a repeated transaction once', async () => {
    const { outbox, capture, drops } = await startOutbox(POSTGRES);
    await outbox.transaction(
      async (work: (tx: FakeTransaction['run']) => Promise<unknown>) => {
        await work(new FakeTransaction().run);
        return work(new FakeTransaction().run);
      },
      () => Promise.resolve(capture.capture(event('a'))),
    );
    expect(drops).toMatchObject([{ reason: 'rolled_back', detail: 'its transaction was repeated' }]);
    expect(capture.stats()).toMatchObject({ captured: 2, pending: 0, delivered: 1, dropped: 1 });
  });
});

describe('afterCommit', () => {
  it('sends the events after the function, and drops them if it fails', async () => {
    const { outbox, capture, posthog, drops } = await startOutbox(POSTGRES);
    await outbox.afterCommit(async () => {
      capture.capture(event('kept'));
      await capture.flush();
      expect(posthog.events).toEqual([]);
      expect(capture.stats()).toMatchObject({ pending: 1 });
    });
    await capture.flush();
    expect(posthog.events.map(({ event: name }) => name)).toEqual(['kept']);
    const failed = outbox.afterCommit(() => {
      capture.capture(event('undone'));
      throw new Error('failed');
    });
    await expect(failed).rejects.toThrow('failed');
    expect(drops.map(({ event: name, reason }) => [name, reason])).toEqual([['undone', 'rolled_back']]);
    expect(capture.stats()).toMatchObject({ captured: 2, delivered: 1, dropped: 1, pending: 0 });
  });

  it('keeps no more events than the queue', async () => {
    const { outbox, capture, drops } = await startOutbox(POSTGRES, { maxQueueEvents: 3 });
    await outbox.afterCommit(() => {
      for (const name of ['a', 'b', 'c', 'd']) capture.capture(event(name));
    });
    expect(drops.map(({ event: name, reason }) => [name, reason])).toEqual([['d', 'queue_full']]);
    await capture.flush();
    expectBalanced(capture);
  });

  it('is part of a run', async () => {
    const { outbox, capture } = await startOutbox(POSTGRES);
    const tx = new FakeTransaction();
    await outbox.run(tx.run, () => outbox.afterCommit(() => capture.capture(event('a'))));
    expect(tx.names).toEqual([['a']]);
  });
});
