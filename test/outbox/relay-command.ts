import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { runCli } from '../../lib/cli/cli.js';
import { sqlOutbox } from '../../lib/outbox/sql-outbox.js';
import { DIALECTS, type OutboxDialect } from '../../lib/outbox/sql.js';
import { closeAll, KEY, startPostHog } from '../support/harness.js';
import { capturedEvents, OutboxRows, projectAt } from '../support/outbox-rows.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';
import { idsOf } from '../support/stored-events.js';
import { until } from '../support/until.js';

interface OpenServer {
  readonly dialect: OutboxDialect;
  readonly pool: object;
  readonly url: string;
}

/** `posthog-capture relay --outbox`, at a database server. */
export function describeRelayCommand(name: string, server: () => OpenServer): void {
  describe(`posthog-capture relay --outbox: ${name}`, () => {
    const environment = { ...process.env };
    let posthog: FakePostHog;
    let rows: OutboxRows;
    beforeEach(async () => {
      posthog = await startPostHog();
      const { dialect, pool } = server();
      rows = new OutboxRows(dialect, pool);
      Object.assign(process.env, { POSTHOG_API_KEY: KEY, POSTHOG_HOST: posthog.url });
      delete process.env.POSTHOG_QUEUE_URL;
    });
    afterEach(async () => {
      await closeAll();
      process.env = { ...environment };
    });

    it('sends the events of the outbox, and ends with 0', async () => {
      const events = capturedEvents(20);
      await rows.create();
      await rows.put(projectAt(posthog.url), events);
      const terminal = new ScriptedTerminal();
      const ended = runCli(['relay', '--outbox', server().url, '--health-port', '0'], terminal);
      await posthog.waitFor(() => posthog.rows.length === 20);
      await until(async () => (await rows.ids()).length === 0);
      await terminal.printed('/ready');
      expect(terminal.stdout).toMatch(
        /^Relay started: it takes events from "[a-z]+:\/\/\*\*\*@localhost\/[^"]*" and sends them to PostHog\. Health: /,
      );
      const [, port] = /localhost:(\d+)/.exec(terminal.stdout) ?? [];
      const response = await fetch(`http://127.0.0.1:${port}/ready`);
      expect(await response.json()).toMatchObject({ status: 'up', recovered: 20, queue: { state: 'ok' } });
      terminal.interrupt();
      expect(await ended).toBe(0);
      expect(idsOf(events).sort()).toEqual(posthog.rows.map(({ uuid }) => uuid).sort());
      expect(await rows.read('SELECT owner FROM posthog_outbox_relay')).toEqual([]);
      await rows.drop();
    });

    it('refuses another dialect than that of the database', async () => {
      const { dialect, pool } = server();
      for (const wrong of DIALECTS.filter((other) => other !== dialect))
        await expect(sqlOutbox({ run: pool, dialect: wrong }).check?.()).rejects.toThrow(
          'set the option dialect to that of the database',
        );
    });

    it('names the command that prints the tables, and ends with 2', async () => {
      const terminal = new ScriptedTerminal();
      process.env.POSTHOG_OUTBOX_URL = server().url;
      expect(await runCli(['relay', '--outbox-table', 'other_outbox'], terminal)).toBe(2);
      expect(terminal.stderr).toMatch(
        /A table of the outbox does not exist \(\w+\): .*npx posthog-capture outbox-sql --dialect \w+ --table other_outbox prints/,
      );
    });
  });
}
