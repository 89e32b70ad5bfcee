import { posix } from 'node:path';
import ts from 'typescript';
import { type CodeBlock, ROOT } from './code-blocks.js';
import { PLATFORM_TYPES } from './platform-types.js';

/** One module of a page. */
interface Example {
  readonly page: string;
  readonly path: string;
  readonly text: string;
}

/**
 * Compiles all TypeScript blocks in one program, against the sources of lib, as an application of the Nest CLI would.
 *
 * @returns page to problems, each with the line of the page
 */
export function compileBlocks(blocks: readonly CodeBlock[]): Map<string, string[]> {
  const examples = new Map(examplesOf(blocks).map((example) => [example.path, example]));
  const platforms = `${ROOT}test/runners/platforms.d.ts`;
  examples.set(platforms, { page: platforms, path: platforms, text: PLATFORM_TYPES });
  const options = compilerOptions();
  const program = ts.createProgram([...examples.keys()], options, hostOf(examples, options));
  const problems = new Map<string, string[]>();
  for (const { page, path } of examples.values()) {
    const source = program.getSourceFile(path);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    problems.set(page, [...(problems.get(page) ?? []), ...found.map((problem) => describe(page, problem))]);
  }
  return problems;
}

/** Each page has a folder beside the applications of test/runners, whose sources docs/testing.md imports. */
function examplesOf(blocks: readonly CodeBlock[]): Example[] {
  const examples = new Map<string, Example>();
  let path = '';
  for (const block of blocks) {
    const { page, line, file, code } = block;
    const folder = `${ROOT}test/runners/example-${page.replaceAll(/\W/g, '-')}`;
    if (!block.continues) {
      path = `${folder}/${file ?? `line-${line}.ts`}`;
      // A page may show the same file twice: the first one is what others import.
      if (examples.has(path)) path = `${posix.dirname(path)}/line-${line}.ts`;
    }
    // Lines count as on the page.
    const before = examples.get(path)?.text ?? '';
    const text = before + '\n'.repeat(line - before.split('\n').length) + code;
    examples.set(path, { page, path, text });
  }
  return [...examples.values()];
}

function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(`${ROOT}tsconfig.json`, (path) => ts.sys.readFile(path)) as { config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: ['lib/index.ts'] }, ts.sys, ROOT);
  // Imports of the examples have no endings, as in most applications.
  return { ...options, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
}

function hostOf(examples: ReadonlyMap<string, Example>, options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options);
  const folders = [...examples.keys()].map((path) => path.slice(0, path.lastIndexOf('/')));
  return {
    ...host,
    fileExists: (path) => examples.has(path) || host.fileExists(path),
    readFile: (path) => examples.get(path)?.text ?? host.readFile(path),
    directoryExists: (path) => folders.some((folder) => folder.startsWith(path)) || ts.sys.directoryExists(path),
    getSourceFile: (path, languageVersion, ...rest) => {
      const text = examples.get(path)?.text;
      if (text !== undefined) return ts.createSourceFile(path, text, languageVersion);
      return host.getSourceFile(path, languageVersion, ...rest);
    },
  };
}

function describe(page: string, { file, start, messageText }: ts.Diagnostic): string {
  const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
  return `${page}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
}
