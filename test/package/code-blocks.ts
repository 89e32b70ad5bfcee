import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The pages that users read. */
export const PAGES = [
  'README.md',
  'AGENTS.md',
  'llms.txt',
  ...readdirSync(`${ROOT}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export interface CodeBlock {
  readonly page: string;
  /** Line of the page on which the code begins, from 1. */
  readonly line: number;
  /** The tag of the fence; empty where there is none. */
  readonly language: string;
  readonly code: string;
  /** File that the first line names in a comment: `// src/app.module.ts`. Other blocks of the page may import it. */
  readonly file: string | undefined;
  /** Preceded by `<!-- continues -->`: the end of the module that the block before it begins. */
  readonly continues: boolean;
}

export function codeBlocks(page: string): CodeBlock[] {
  const text = readFileSync(ROOT + page, 'utf8');
  return [...text.matchAll(/(<!-- continues -->\s*)?^( *)```(\S*)\n([^]*?)^\2```$/gm)].map((match) => {
    const [, continues, indent = '', language = '', body = ''] = match;
    const opening = match.index + (continues ?? '').length;
    return {
      page,
      line: text.slice(0, opening).split('\n').length + 1,
      language,
      code: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      file: /^ *\/\/ (\S+\.ts)\n/.exec(body)?.[1],
      continues: continues !== undefined,
    };
  });
}
