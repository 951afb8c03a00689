/**
 * The guides in `docs/` as tests read them: the text of one, and its blocks of one language, in
 * their order. What a block must do is the test's matter.
 */
import { readFileSync } from 'node:fs';

export const guide = (name) => readFileSync(new URL(`../docs/${name}`, import.meta.url), 'utf8');

/** Each block with what the comment just above it says. */
export function blocksOf(markdown, language) {
  const fence = new RegExp(
    `(?:<!-- (.*?) -->\\n\\n)?^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`,
    'gm',
  );
  return [...markdown.matchAll(fence)].map(([, note = '', code = '']) => ({ note, code }));
}
