/**
 * Picking sentences out of a text by how often their words occur: the oldest way to summarise, and
 * the same every time. Owns sentences, words and their ranking; knows nothing of prompts.
 */

const sentenceCuts = new Intl.Segmenter('en', { granularity: 'sentence' });
const wordCuts = new Intl.Segmenter('en', { granularity: 'word' });

/** Words that say nothing about a text's subject. */
const COMMON = new Set(
  (
    'a about after all also an and any are as at be because been before but by can could did do ' +
    'does for from had has have he her his how if in into is it its more most no not of on one ' +
    'only or other our out over she so some than that the their them then there these they this ' +
    'to up was we were what when where which who will with would you your'
  ).split(' '),
);

const LIST_SIGN = /^\s*(?:[-*•]|\d+[.)])\s+/;

/** The sentences of a text in their order, without list signs; a line's end ends a sentence. */
export function sentencesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(LIST_SIGN, '').trim())
    .flatMap((line) => [...sentenceCuts.segment(line)].map(({ segment }) => segment.trim()))
    .filter((sentence) => keywordsOf(sentence).length > 0);
}

/** The words of a text that are not common ones, in lower case, in order, with repetitions. */
export function keywordsOf(text: string): string[] {
  return [...wordCuts.segment(text.toLowerCase())]
    .filter(({ isWordLike }) => isWordLike === true)
    .map(({ segment }) => segment)
    .filter((word) => word.length > 1 && !COMMON.has(word));
}

/** The number of words of a text, common ones included. */
export function countWords(text: string): number {
  return [...wordCuts.segment(text)].filter(({ isWordLike }) => isWordLike === true).length;
}

/** The `count` sentences whose words are the most frequent of the text, in the text's order. */
export function mostCentral(text: string, count: number): string[] {
  const sentences = [...new Set(sentencesOf(text))];
  const frequency = new Map<string, number>();
  for (const word of keywordsOf(text)) frequency.set(word, (frequency.get(word) ?? 0) + 1);
  const scored = sentences.map((sentence, index) => ({
    index,
    score: mean(keywordsOf(sentence).map((word) => frequency.get(word) ?? 0)),
  }));
  const best = scored.toSorted((a, b) => b.score - a.score || a.index - b.index).slice(0, count);
  const chosen = new Set(best.map(({ index }) => index));
  return sentences.filter((_, index) => chosen.has(index));
}

/** The share of a sentence's keywords, 0 to 1, that a text contains. */
export function coverage(sentence: string, text: string): number {
  const present = new Set(keywordsOf(text));
  const wanted = [...new Set(keywordsOf(sentence))];
  return mean(wanted.map((word) => (present.has(word) ? 1 : 0)));
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
