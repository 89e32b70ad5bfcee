/** Comments, strings, templates without nested templates, and strings in them. */
const LITERAL = /\/\/[^\n]*|\/\*[^]*?\*\/|'(?:\\[^]|[^'\\\n])*'|"(?:\\[^]|[^"\\\n])*"|`(?:\\[^]|[^`\\])*`/g;
const UNREAD = /['"`]|\/\*/;
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/**
 * The code with every comment and string blanked out, so that a search finds code only. Positions stay the same.
 *
 * @returns undefined if the code cannot be read with certainty, e.g. because of a regular expression with quotes
 */
export function codeOnly(text: string): string | undefined {
  const code = text.replace(LITERAL, (literal) => literal.replace(/[^\n]/g, ' '));
  if (UNREAD.test(code)) return undefined;
  const expected: string[] = [];
  for (const [bracket] of code.matchAll(/[()[\]{}]/g)) {
    const closing = CLOSING[bracket];
    if (closing !== undefined) expected.push(closing);
    else if (expected.pop() !== bracket) return undefined;
  }
  return expected.length === 0 ? code : undefined;
}

/** The position of the bracket that closes the one at `open`. `code` comes from `codeOnly`. */
export function closingOf(code: string, open: number): number {
  let depth = 0;
  for (let position = open; position < code.length; position++) {
    const character = code.charAt(position);
    if ('([{'.includes(character)) depth++;
    else if (')]}'.includes(character) && --depth === 0) return position;
  }
  return code.length;
}

export function insertAt(text: string, position: number, addition: string): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n';
  return text.slice(0, position) + addition.replaceAll('\n', newline) + text.slice(position);
}

/** The spaces or tabs at the beginning of the line. */
export function indentAt(text: string, position: number): string {
  const start = text.lastIndexOf('\n', position - 1) + 1;
  return /^[ \t]*/.exec(text.slice(start))?.[0] ?? '';
}
