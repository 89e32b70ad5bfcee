import { expect, it } from '@jest/globals';
import { type FlagStats } from 'nestjs-posthog-capture';
import { flagTable } from '../../../lib/inspector/flag-table.js';
import { QUIET_FLAGS } from '../../support/flag-stats.js';

const NOW = 1_800_000_000_000;
const LATE = { message: 'PostHog does not respond within 500 ms', remedy: 'nothing to do', needsAction: false };

it.each<[string, Partial<FlagStats>, string, string]>([
  ['local evaluation', {}, 'good', 'Evaluated locally, definitions 1 min old; 0 requests'],
  [
    'definitions that were just loaded',
    { definitionsAgeMs: 900 },
    'good',
    'Evaluated locally, definitions 0 s old; 0 requests',
  ],
  [
    'remote evaluation',
    { source: 'remote', definitionsAgeMs: null, requests: 1 },
    'good',
    'Evaluated by PostHog; 1 request',
  ],
  [
    'a late request',
    { source: 'remote', definitionsAgeMs: null, requests: 9, timeouts: 2, lastError: LATE },
    'warn',
    'Evaluated by PostHog; 9 requests, 2 timed out',
  ],
  [
    'a cool-down',
    { source: 'remote', definitionsAgeMs: null, requests: 9, timeouts: 9, lastError: LATE, coolDownUntil: NOW + 7001 },
    'bad',
    'Evaluated by PostHog; cooling down for 8 s; 9 requests, 9 timed out',
  ],
  [
    'a cool-down that is over, before the next read',
    { source: 'none', definitionsAgeMs: null, requests: 1, timeouts: 1, lastError: LATE, coolDownUntil: NOW },
    'bad',
    'Not evaluated: code gets its default values; the next read asks PostHog again; 1 request, 1 timed out',
  ],
  [
    'no source',
    { source: 'none', definitionsAgeMs: null },
    'bad',
    'Not evaluated: code gets its default values; 0 requests',
  ],
])('describes %s', (_what, stats, tone, text) => {
  expect(flagTable({ ...QUIET_FLAGS, ...stats }, NOW)).toMatchObject({ tone, text });
});

it('has the last error with its remedy', () => {
  expect(flagTable(QUIET_FLAGS, NOW).remedy).toBe('');
  expect(flagTable({ ...QUIET_FLAGS, lastError: LATE }, NOW).remedy).toBe(
    'PostHog does not respond within 500 ms: nothing to do',
  );
});

it('has a row for each flag and value, and one for all others', () => {
  const reads = [
    { key: 'checkout', value: 'blue', count: 3 },
    { key: 'checkout', value: null, count: 2 },
    { key: 'banner', value: false, count: 1 },
  ];
  expect(flagTable({ ...QUIET_FLAGS, reads, otherReads: 9 }, NOW).rows).toEqual([
    { search: '"$feature/checkout"', cells: ['checkout', 'blue', 3] },
    { search: '"$feature/checkout"', cells: ['checkout', 'default', 2] },
    { search: '"$feature/banner"', cells: ['banner', 'false', 1] },
    { search: null, cells: ['all others', '', 9] },
  ]);
});
