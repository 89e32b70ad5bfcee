/** Control and format characters, line separators and lone surrogates: whatever moves a cursor, colours or reorders text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Text from outside on one line of a terminal: what could take control of the terminal is written as an escape. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** Cuts text to a number of characters; a cut one ends in `…`. */
export function cut(text: string, length: number): string {
  // No character takes more than two UTF-16 units: only so much of a huge text needs to be looked at.
  const characters = Array.from(text.slice(0, (length + 1) * 2));
  return characters.length > length ? `${characters.slice(0, Math.max(0, length - 1)).join('')}…` : text;
}
