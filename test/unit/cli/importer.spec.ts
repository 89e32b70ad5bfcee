import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type CaptureService } from '../../../lib/capture/capture.service.js';
import { ImportStopped, Importer } from '../../../lib/cli/import/importer.js';
import { RejectsFile } from '../../../lib/cli/import/rejects-file.js';

const START = { number: 0, end: 0, startedAt: '2026-01-31T00:00:00.000Z', project: 'p', isHistorical: false };
const BEGINNING = { ...START, delivered: 0, rejected: 0, changed: 0 };

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'posthog-import-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function importer(rejects: RejectsFile): Importer {
  const { signal } = new AbortController();
  return new Importer({
    state: BEGINNING,
    rejects,
    maxPending: 10,
    isDry: false,
    signal,
    warn: () => undefined,
  });
}

it('stops with an error if the queue dropped a line', async () => {
  const rejects = new RejectsFile(join(folder, 'rejects'));
  const one = importer(rejects);
  const capture = {
    capture: ({ uuid = '', event }: { uuid?: string; event: string }) => {
      if (event === 'lost') one.dropped({ uuid, event, reason: 'queue_full', detail: 'the queue is full' });
      else one.delivered({ uuids: [uuid], attempts: 1, durationMs: 1 });
      return uuid;
    },
    stats: () => ({ pending: 0, pendingBytes: 0 }),
  } as unknown as CaptureService;
  const lines = ['sent', 'lost', 'sent'].map((event) => JSON.stringify({ event, distinct_id: 'u' }));
  await expect(one.run(Readable.from([Buffer.from(lines.join('\n'))]), capture)).rejects.toThrow(ImportStopped);
  // `--resume` starts with the lost line.
  expect(one.state).toMatchObject({ number: 1, delivered: 1, rejected: 0 });
});

it('keeps reports that could not be written for the next write', async () => {
  const inside = join(folder, 'inside');
  mkdirSync(inside);
  const rejects = new RejectsFile(join(inside, 'rejects'));
  await rejects.begin(0);
  rmSync(inside, { recursive: true });
  rejects.add({ line: 7, reason: 'bad' });
  await expect(rejects.write()).rejects.toThrow('ENOENT');
  expect(existsSync(inside)).toBe(false);
  mkdirSync(inside);
  await rejects.write();
  await rejects.write();
  expect(readFileSync(rejects.path, 'utf8')).toBe('{"line":7,"reason":"bad"}\n');
});
