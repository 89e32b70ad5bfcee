import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { CaptureRecorder, PostHogCaptureTestingModule } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { PurchasesService } from '../runners/src/purchases.service.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Blocks of code with this tag behind their fence. */
function blocksOf(file: string, tag: string): string[] {
  const text = readFileSync(ROOT + file, 'utf8');
  return [...text.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].filter(([, its]) => its === tag).map(([, , code]) => code!);
}

/** Only ES modules need the endings of files. */
const plain = (code: string): string => code.replace(/(from '\.[^']*)\.js'/g, "$1'").trim();

describe('docs/testing.md', () => {
  // scripts/test-package.mjs runs them all in applications of their own.
  const runners = `${ROOT}test/runners`;
  const sources = readdirSync(runners, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => plain(readFileSync(`${runners}/${name}`, 'utf8')));
  const blocks = blocksOf('docs/testing.md', 'ts');

  it('has examples', () => expect(blocks.length).toBeGreaterThanOrEqual(6));

  it.each(blocks.map((block) => [plain(block).match(/^(it|describe|export class|import).*/m)![0], block]))(
    'shows what is run: %s',
    (_, block) => expect(sources.some((source) => source.includes(plain(block)))).toBe(true),
  );

  it('shows the message of a test that fails', async () => {
    const module = await Test.createTestingModule({
      imports: [PostHogCaptureTestingModule.forRoot()],
      providers: [PurchasesService],
    }).compile();
    const recorder = module.get(CaptureRecorder);
    module.get(PurchasesService).complete('user_1', 9.99);
    let message = '';
    try {
      expect(recorder).toHaveCaptured('purchase_completed', {
        distinctId: 'user_1',
        properties: expect.objectContaining({ price: 99.99 }),
      });
    } catch (error) {
      message = stripVTControlCharacters((error as Error).message);
    }
    expect(blocksOf('docs/testing.md', '').map((block) => block.trim())).toContain(message.trim());
  });
});
