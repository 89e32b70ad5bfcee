import { codeOnly, insertAt } from './source-code.js';

const CREATED =
  /\b(?:const|let|var)\s+(\w+)\s*(?::[^=;]+)?=\s*await\s+NestFactory\s*\.\s*create\s*(?:<[^;()]*>)?\s*\(/g;
/** A statement whose body may be the next line. */
const GOVERNS_NEXT_LINE = /^\s*(?:\}\s*)?(?:if|else|for|while|do|with)\b|[=(,?:&|+]\s*$/;

/**
 * Calls `enableShutdownHooks()` before the application listens.
 *
 * @returns the same text if it is called already, or undefined if it is not certain where it belongs
 */
export function enableShutdownHooks(text: string): string | undefined {
  const code = codeOnly(text);
  if (code === undefined) return undefined;
  if (/\.\s*enableShutdownHooks\s*\(/.test(code)) return text;
  const [created, another] = code.matchAll(CREATED);
  const name = created?.[1];
  if (name === undefined || another !== undefined) return undefined;
  const [listen, second] = code.matchAll(
    new RegExp(
      String.raw`^([ \t]*)(?:(?:const|let|var)\s+\w+\s*=\s*)?(?:(?:await|return|void)\s+)?${name}\s*\.\s*listen\s*\(`,
      'gm',
    ),
  );
  if (listen === undefined || second !== undefined) return undefined;
  const before = code.slice(0, listen.index).trimEnd();
  if (GOVERNS_NEXT_LINE.test(before.slice(before.lastIndexOf('\n') + 1))) return undefined;
  const semicolon = /;[^\S\n]*$/m.test(code) ? ';' : '';
  return insertAt(text, listen.index, `${listen[1] ?? ''}${name}.enableShutdownHooks()${semicolon}\n`);
}

/** The file of the module that the application is created from, relative to `main`, without its extension. */
export function rootModuleOf(text: string): string | undefined {
  const name = /\bNestFactory\s*\.\s*create\w*\s*(?:<[^;()]*>)?\s*\(\s*(\w+)/.exec(text)?.[1];
  if (name === undefined) return undefined;
  const imported = new RegExp(`import\\s*\\{[^}]*\\b${name}\\b[^}]*\\}\\s*from\\s*['"](\\.[^'"]+)['"]`).exec(text);
  return imported?.[1]?.replace(/\.[jt]s$/, '');
}
