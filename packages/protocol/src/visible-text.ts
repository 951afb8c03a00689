/**
 * Text of others, made safe to look at: what a terminal, a log or a model obeys instead of showing
 * is written as an escape. Owns which characters those are; what the text means is the reader's
 * business.
 */

/**
 * Controls (ANSI sequences begin with one), formats (zero width, changes of direction, tags), line
 * and paragraph separators, halves of surrogate pairs, and what is never drawn: fillers and the
 * variation selectors, among which whole texts can hide.
 */
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]/gu;

/**
 * The same text with every such character written as `\u{1b}`, so that what a peer or a hub chose
 * cannot clear, colour, forge, hide or turn around anything. `keep` names characters that stay,
 * such as line ends where the text may have several lines.
 */
export function visible(text: string, keep = ''): string {
  return text.replace(UNSEEN, (character) =>
    keep.includes(character) ? character : escaped(character),
  );
}

/** A character by its code point, as `\u{202e}`. */
export function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
