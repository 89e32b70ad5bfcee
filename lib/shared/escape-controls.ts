/** Controls, line and paragraph separators, and marks that change the direction of text. */
const CONTROLS = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Makes control characters visible, as in a string literal, so that foreign text can neither break nor forge a line of the log. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\r') return '\\r';
    if (character === '\t') return '\\t';
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
