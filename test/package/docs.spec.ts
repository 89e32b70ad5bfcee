import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { CaptureRecorder, PostHogCaptureTestingModule } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { PurchasesService } from '../runners/src/purchases.service.js';
import { codeBlocks, PAGES, ROOT } from './code-blocks.js';

const blocks = codeBlocks('docs/testing.md');

/** Without what differs between an application and test/runners: endings that only ES modules need, folders, names of files. */
const plain = (code: string): string =>
  code
    .replace(/^\/\/ \S+\.ts\n/, '')
    .replaceAll(/(from '\.[^']*)\.js'/g, "$1'")
    .replaceAll("from '../src/", "from './")
    .trim();

describe('docs/testing.md', () => {
  // scripts/test-package.mjs runs them all in applications of their own.
  const runners = `${ROOT}test/runners`;
  const sources = readdirSync(runners, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => plain(readFileSync(`${runners}/${name}`, 'utf8')));
  const examples = blocks.filter(({ language }) => language === 'ts').map(({ code }) => code);

  it('has examples', () => expect(examples.length).toBeGreaterThanOrEqual(6));

  it.each(examples.map((block) => [plain(block).match(/^(it|describe|export class|import).*/m)![0], block]))(
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
    expect(blocks.map(({ code }) => code.trim())).toContain(message.trim());
  });
});

describe('links', () => {
  const textOf = (path: string): string => readFileSync(ROOT + path, 'utf8').replaceAll(/^```[^]*?^```$/gm, '');
  const anchorsOf = (path: string): string[] =>
    [...textOf(path).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .replaceAll(' ', '-'),
    );

  it.each([...PAGES, 'CHANGELOG.md', 'CONTRIBUTING.md', 'bench/README.md'])('resolve: %s', (page) => {
    const links = [...textOf(page).matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)];
    const broken = links.filter(([, path = '', anchor = '']) => {
      const target = path === '' ? page : join(dirname(page), path);
      return !existsSync(ROOT + target) || (anchor !== '' && !anchorsOf(target).includes(anchor));
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  it.each(['docs/README.md', 'llms.txt'])('lead to every page: %s', (index) => {
    const links = [...textOf(index).matchAll(/\]\(([^)#]*)/g)].map(([, path = '']) => join(dirname(index), path));
    const others = ['docs/README.md', 'README.md', 'AGENTS.md', 'llms.txt'];
    expect(PAGES.filter((page) => !others.includes(page) && !links.includes(page))).toEqual([]);
  });
});
