import { describe, expect, it } from '@jest/globals';
import { runCli } from '../../lib/cli/cli.js';
import { FakePostHog } from '../../lib/testing/index.js';
import { snapshotOf } from '../support/live-stream.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';

/** Runs `listen` on a free port while `work` runs. */
async function listening(
  work: (url: string, terminal: ScriptedTerminal) => Promise<void>,
  { args = [], columns = 200 }: { args?: string[]; columns?: number } = {},
): Promise<void> {
  const terminal = new ScriptedTerminal({ columns });
  const ended = runCli(['listen', '--port', '0', ...args], terminal);
  await terminal.printed('Press Ctrl-C to stop.\n\n');
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(terminal.stdout)?.[0] ?? '';
  try {
    await work(url, terminal);
  } finally {
    terminal.interrupt();
    expect(await ended).toBe(0);
  }
  expect(terminal.stderr).toBe('');
  await expect(fetch(url)).rejects.toThrow('fetch failed');
}

function send(url: string, event: Record<string, unknown>, apiKey = 'phc_local'): Promise<Response> {
  const now = new Date().toISOString();
  const complete = { event: 'page_view', distinct_id: 'user_123', uuid: crypto.randomUUID(), timestamp: now, ...event };
  return fetch(`${url}/batch/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ api_key: apiKey, batch: [complete], sent_at: now }),
  });
}

function lastLine(terminal: ScriptedTerminal): string {
  return terminal.stdout.trimEnd().split('\n').at(-1) ?? '';
}

describe('posthog-capture listen', () => {
  it('prints how to connect an application, then one line per event', async () => {
    await listening(async (url, terminal) => {
      expect(terminal.stdout).toContain(`POSTHOG_HOST=${url} POSTHOG_API_KEY=phc_local\n`);
      expect(terminal.stdout).toContain(`the page ${url}/\n`);
      await send(url, { properties: { $lib: 'nestjs-posthog-capture', $request_method: 'POST', plan: 'pro' } });
      await terminal.printed('page_view');
      expect(lastLine(terminal)).toMatch(
        /^\d\d:\d\d:\d\d {2}page_view +user_123 +\{"plan":"pro","\$request_method":"POST"\}$/,
      );
      expect((await snapshotOf(`${url}/stream`)).events).toMatchObject([{ name: 'page_view', fate: 'stored' }]);
    });
  });

  it('prints requests that PostHog would refuse, with the violated rule', async () => {
    await listening(async (url, terminal) => {
      await send(url, { distinct_id: ' ' });
      await terminal.printed('distinct_id_blank');
      expect(lastLine(terminal)).toMatch(/^\d\d:\d\d:\d\d {2}refused 400 {2}POST \/batch\/ {2}distinct_id_blank: .+/);
    });
  });

  it('prints changes that PostHog would make silently', async () => {
    await listening(async (url, terminal) => {
      await send(url, { distinct_id: ' padded' });
      await terminal.printed('distinct_id_untrimmed');
      expect(lastLine(terminal)).toContain('accepted 200 but');
      expect(terminal.stdout).toMatch(/page_view +padded/);
    });
  });

  it('prints each refused request once', async () => {
    await listening(async (url, terminal) => {
      for (const path of ['/one', '/two', '/three']) await fetch(url + path, { method: 'POST' });
      await terminal.printed('/three');
      expect(terminal.stdout.match(/refused 404/g)).toHaveLength(3);
    });
  });

  it('accepts only the given key and does not print it', async () => {
    const work = async (url: string, terminal: ScriptedTerminal): Promise<void> => {
      expect((await send(url, {}, 'phc_other')).status).toBe(401);
      await terminal.printed('refused 401');
      expect((await send(url, {}, 'phc_secret')).status).toBe(200);
      await terminal.printed('user_123');
      expect(terminal.stdout).not.toContain('phc_');
    };
    await listening(work, { args: ['--api-key', 'phc_secret'] });
  });

  it('escapes control characters in names', async () => {
    await listening(async (url, terminal) => {
      const hostile = '\u001b[2J\u009b31m\u202e\r\n\u2028x';
      await send(url, { event: hostile, distinct_id: `u${hostile}`, properties: { [hostile]: hostile } });
      await terminal.printed('\\u2028x');
      const line = lastLine(terminal);
      expect(line).toContain('\\u001b[2J\\u009b31m\\u202e\\u000d\\u000a\\u2028x');
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    });
  });

  it('cuts long lines to the width of the terminal, never within a character', async () => {
    const work = async (url: string, terminal: ScriptedTerminal): Promise<void> => {
      await send(url, { properties: { text: '😀'.repeat(500) } });
      await terminal.printed('user_123');
      expect(Array.from(lastLine(terminal))).toHaveLength(80);
      expect(lastLine(terminal)).toMatch(/😀…$/u);
    };
    await listening(work, { columns: 80 });
  });

  it.each([
    ['a port that is in use', undefined, /port \d+ is already in use: choose another port with --port/],
    ['a port that is not a number', 'http', /--port must be a number from 0 to 65535, not "http"/],
    ['a port that is too large', '65536', /--port must be a number/],
    ['a negative port', '-1', /--port must be a number/],
  ])('exits with 2 and one line for %s', async (_, port, message) => {
    const other = await FakePostHog.start();
    const terminal = new ScriptedTerminal();
    const code = await runCli(['listen', '--port', port ?? String(other.port)], terminal);
    await other.close();
    expect({ code, stdout: terminal.stdout }).toEqual({ code: 2, stdout: '' });
    expect(terminal.stderr).toMatch(message);
    expect(terminal.stderr).toMatch(/^posthog-capture listen: [^\n]+\n$/);
  });
});
