import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../../lib/shared/version.js';

it('what PostHog is told is what package.json says', () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(manifest).toMatchObject({ name: LIBRARY_NAME, version: LIBRARY_VERSION });
});
