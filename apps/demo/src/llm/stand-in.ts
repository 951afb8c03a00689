/**
 * The answers of the local stand-in: derived from the prompt alone, the same each time. Owns how an
 * instruction is understood. It is no language model and writes no sentence of its own about the
 * subject: it selects from what it was given, and compares.
 */
import { coverage, mostCentral, sentencesOf } from './extract.js';

/** One message of a conversation, as the chat API has it. */
export interface ChatMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant';
  readonly content: string;
}

const NUMBER = '\\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten';
/** A number, perhaps other words but no number, and what is counted. */
const COUNTED = new RegExp(
  `\\b(${NUMBER})(?:\\s+(?!(?:${NUMBER})\\b)[a-z-]+){0,3}\\s+(?:facts?|sentences?|points?)\\b`,
  'i',
);
const WORDS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const DEFAULT_COUNT = 3;
/** A note counts as used, and a sentence as supported, from this share of its keywords on. */
const ENOUGH = 0.6;

/** The answer to a conversation. */
export function answerTo(messages: readonly ChatMessage[]): string {
  const instruction = messages
    .filter(({ role }) => role === 'system' || role === 'developer')
    .map(({ content }) => content)
    .join('\n');
  const material = messages.findLast(({ role }) => role === 'user')?.content ?? '';
  if (/\breview\b/i.test(instruction)) return review(material);
  const chosen = mostCentral(material, countIn(instruction));
  if (chosen.length === 0) return 'There is no sentence in the prompt to work on.';
  const asList = /\b(?:bullets?|list)\b/i.test(instruction);
  return asList ? chosen.map((sentence) => `- ${sentence}`).join('\n') : chosen.join(' ');
}

/** The number of facts or sentences that an instruction asks for. */
function countIn(instruction: string): number {
  const said = COUNTED.exec(instruction)?.[1]?.toLowerCase();
  if (said === undefined) return DEFAULT_COUNT;
  const word = WORDS.indexOf(said);
  if (word >= 0) return word;
  return said === 'ten' ? 10 : Number(said);
}

/** Compares the parts under `Notes:` and `Draft:` of a text with each other. */
function review(material: string): string {
  const notes = sentencesOf(partOf(material, 'Notes'));
  const draft = sentencesOf(partOf(material, 'Draft'));
  if (notes.length === 0 || draft.length === 0) {
    return 'REVISE: there are no notes or there is no draft to compare.';
  }
  const missing = notes.filter((note) => coverage(note, draft.join(' ')) < ENOUGH);
  const unsupported = draft.filter((sentence) => coverage(sentence, notes.join(' ')) < ENOUGH);
  if (missing.length === 0 && unsupported.length === 0) {
    return (
      `APPROVED: all ${notes.length} notes are in the draft, ` +
      `and each of its ${draft.length} sentences rests on a note.`
    );
  }
  const remarks = [
    ...missing.map((note) => `missing: ${note}`),
    ...unsupported.map((sentence) => `not in the notes: ${sentence}`),
  ];
  return `REVISE: ${remarks.join(' / ')}`;
}

/** The lines after the line `heading:` up to the next such line. */
function partOf(text: string, heading: string): string {
  const lines = text.split('\n');
  const from = lines.indexOf(`${heading}:`);
  if (from < 0) return '';
  const rest = lines.slice(from + 1);
  const to = rest.findIndex((line) => /^[A-Z][a-z]+:$/.test(line));
  return (to < 0 ? rest : rest.slice(0, to)).join('\n');
}
