/** See `guide.mjs`. */
export interface Block {
  /** What the comment just above it says. */
  readonly note: string;
  readonly code: string;
}
export function guide(name: string): string;
export function blocksOf(markdown: string, language: string): Block[];
