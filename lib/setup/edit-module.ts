import { closingOf, codeOnly, indentAt, insertAt } from './source-code.js';

const MODULE = 'PostHogCaptureModule';
const IMPORT = /^import\b[^;'"]*(['"])([^'"\n]+)\1;?[^\S\n]*$/gm;

/**
 * Adds the import of PostHogCaptureModule to the module of an application.
 *
 * @returns the same text if it is there already, or undefined if it is not certain where it belongs
 */
export function importCaptureModule(text: string): string | undefined {
  const code = codeOnly(text);
  if (code === undefined) return undefined;
  if (new RegExp(`\\b${MODULE}\\b`).test(code)) return text;
  const edited = addToImports(text, code);
  return edited === undefined ? undefined : addImportStatement(edited);
}

function addToImports(text: string, code: string): string | undefined {
  const [decorator, another] = code.matchAll(/@Module\(\s*\{/g);
  if (decorator === undefined || another !== undefined) return undefined;
  const open = decorator.index + decorator[0].length - 1;
  const close = closingOf(code, open);
  const names = propertiesOf(code, open, close);
  // A property of either kind may hold imports that this cannot see.
  if (/\.\.\.|\bimports\s*[,}]/.test(names) || /['"`\]]\s*:/.test(text.slice(open, close))) return undefined;
  const property = /\bimports\s*:\s*/.exec(names);
  if (property === null) return addProperty(text, open, close);
  const array = open + property.index + property[0].length;
  return code[array] === '[' ? addElement(text, code, array, closingOf(code, array)) : undefined;
}

/** The object's own code, with what is inside of brackets blanked out. Starts at `open`. */
function propertiesOf(code: string, open: number, close: number): string {
  let own = code.slice(open, open + 1);
  for (let position = open + 1; position <= close; position++) {
    own += code.charAt(position);
    if (!'([{'.includes(code.charAt(position))) continue;
    const end = closingOf(code, position);
    own += ' '.repeat(end - position);
    position = end;
  }
  return own;
}

function addProperty(text: string, open: number, close: number): string {
  const element = `${MODULE}.forRoot()`;
  const inside = text.slice(open + 1, close);
  if (inside.trim() === '') return `${text.slice(0, open + 1)} imports: [${element}] ${text.slice(close)}`;
  const isMultiLine = /^\s*\n/.test(inside);
  const indent = isMultiLine ? (/\n([ \t]*)\S/.exec(inside)?.[1] ?? '  ') : '';
  return insertAt(text, open + 1, isMultiLine ? `\n${indent}imports: [${element}],` : ` imports: [${element}],`);
}

function addElement(text: string, code: string, open: number, close: number): string {
  const element = `${MODULE}.forRoot()`;
  const elements = code.slice(open + 1, close).trimEnd();
  const end = open + 1 + elements.length;
  if (elements.trim() === '') return insertAt(text, open + 1, element);
  const separator = elements.endsWith(',') ? '' : ',';
  const first = open + 1 + elements.search(/\S/);
  const isMultiLine = code.slice(end, close).includes('\n');
  if (!isMultiLine) return insertAt(text, end, `${separator} ${element}`);
  // A comment behind the last element stays with it.
  const line = separator === '' ? text : insertAt(text, end, separator);
  const lineEnd = line.slice(end).search(/\r?\n/) + end;
  return insertAt(line, lineEnd, `\n${indentAt(text, first)}${element},`);
}

/** After the last import of a package; relative imports follow. */
function addImportStatement(text: string): string | undefined {
  const imports = [...text.matchAll(IMPORT)];
  const [first] = imports;
  if (first === undefined) return undefined;
  const quote = first[1] ?? "'";
  const semicolon = first[0].trimEnd().endsWith(';') ? ';' : '';
  const statement = `import { ${MODULE} } from ${quote}nestjs-posthog-capture${quote}${semicolon}`;
  const lastOfPackage = imports.filter(([, , specifier]) => !specifier?.startsWith('.')).at(-1);
  if (lastOfPackage === undefined) return insertAt(text, first.index, `${statement}\n`);
  return insertAt(text, lastOfPackage.index + lastOfPackage[0].trimEnd().length, `\n${statement}`);
}
