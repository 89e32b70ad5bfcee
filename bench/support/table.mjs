// Prints a table in Markdown, aligned, so that it can be read here and pasted elsewhere.

/** @param rows the first one is the head; the first column is text, the others are numbers */
export function printTable(title, rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column] ?? '').length)));
  const line = (row) =>
    `| ${row.map((cell, column) => (column === 0 ? String(cell).padEnd(widths[0]) : String(cell ?? '').padStart(widths[column]))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const [head, ...body] = rows;
  console.log(`\n${title}\n\n${[line(head), rule, ...body.map(line)].join('\n')}`);
}

/** What is being measured, on one line that overwrites itself in a terminal. */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
