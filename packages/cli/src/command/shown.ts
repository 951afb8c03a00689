/**
 * What peers have written, as a terminal shows it without obeying it. Owns what is escaped.
 */

/** What a terminal does not show but obeys: controls, invisible marks, changes of direction. */
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;

/** A text in which every character is seen; those of `keep` stay as they are. */
export function shown(text: string, keep = ''): string {
  return text.replace(UNSEEN, (unseen) => {
    if (keep.includes(unseen)) return unseen;
    const point = unseen.codePointAt(0) ?? 0;
    const hex = point.toString(16);
    return point > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
  });
}

/** JSON of what a peer sent: one line, in which every character is seen. */
export function quoted(value: unknown): string {
  return shown(JSON.stringify(value));
}
