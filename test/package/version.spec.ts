import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../../lib/shared/version.js';

it('the version sent to PostHog is that of package.json', () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(manifest).toMatchObject({ name: LIBRARY_NAME, version: LIBRARY_VERSION });
});
