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
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/gu;

/**
 * The same text with every such character written as `\u001b`, so that what a peer or a hub chose
 * cannot clear, colour, forge, hide or turn around anything. `keep` names characters that stay,
 * such as line ends where the text may have several lines.
 */
export function visible(text: string, keep = ''): string {
  return text.replace(UNSEEN, (character) =>
    keep.includes(character) ? character : escaped(character),
  );
}

/** A character by its code point: `\u202e`, or `\u{e0041}` above four digits. */
export function escaped(character: string): string {
  const point = character.codePointAt(0) ?? 0;
  const hex = point.toString(16);
  return point > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
}
