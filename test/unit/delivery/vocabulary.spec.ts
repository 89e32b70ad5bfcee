import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

const FOLDER = 'lib/delivery';
const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

it('has files to look at', () => expect(files.length).toBeGreaterThan(10));

it.each(files)('%s does not name the product at the other end', (file) => {
  const lines = readFileSync(join(FOLDER, file), 'utf8').split('\n');
  expect(lines.filter((line) => /posthog/i.test(line))).toEqual([]);
});
