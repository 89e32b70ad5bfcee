import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { codeBlocks, PAGES } from './code-blocks.js';
import { compileBlocks } from './compile-blocks.js';

const blocks = PAGES.flatMap(codeBlocks);
const of = (language: string) => blocks.filter((block) => block.language === language);

describe('code of README.md and docs', () => {
  it('is tagged with its language', () => {
    const known = ['ts', 'js', 'json', 'bash', 'dockerfile', 'yaml', 'text'];
    // The message of a failing test is checked in docs.spec.ts.
    const others = blocks.filter(({ page, language }) => !known.includes(language) && page !== 'docs/testing.md');
    expect(others.map(({ page, line, language }) => `${page}:${line}: ${language}`)).toEqual([]);
  });

  const problems = compileBlocks(of('ts'));
  it.each(PAGES.filter((page) => problems.has(page)))('compiles: %s', (page) => {
    expect(problems.get(page)).toEqual([]);
  });

  it('is JavaScript where it says so', () => {
    const found = of('js').flatMap(
      ({ code }) => ts.transpileModule(code, { reportDiagnostics: true, fileName: 'block.js' }).diagnostics ?? [],
    );
    expect(found.map(({ messageText }) => messageText)).toEqual([]);
  });

  it.each(of('json').map(({ page, line, code }) => [`${page}:${line}`, code]))('is JSON: %s', (_, code) => {
    expect(JSON.parse(code)).toBeDefined();
  });

  it('is shell where it says so', () => {
    const script = of('bash')
      .map(({ code }) => code)
      .join('\n');
    expect(spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  });
});
