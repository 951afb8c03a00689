/**
 * What peers have written, as a terminal shows it without obeying it. Owns what is escaped: the
 * same as `visible` of the protocol, which a client does not load.
 */

/** Controls, formats, separators, halves of pairs, and what is never drawn. */
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/gu;

/** A text in which every character is seen; those of `keep` stay as they are. */
export function shown(text: string, keep = ''): string {
  return text.replace(UNSEEN, (unseen) => (keep.includes(unseen) ? unseen : escaped(unseen)));
}

/** JSON of what a peer sent: one line, in which every character is seen. */
export function quoted(value: unknown): string {
  return shown(JSON.stringify(value));
}

/** As JSON has it: by the halves of its pair where it is one. */
function escaped(unseen: string): string {
  const units = Array.from({ length: unseen.length }, (_, at) => unseen.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
