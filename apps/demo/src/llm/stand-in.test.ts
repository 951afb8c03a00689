import { describe, expect, test } from '@jest/globals';
import { countWords, coverage, keywordsOf, mostCentral, sentencesOf } from './extract.js';
import { answerTo } from './stand-in.js';

const SOURCE =
  'Tides rise and fall. The moon pulls the tides. Lunch was late. ' +
  'Tides follow the moon twice a day.';

describe('extract', () => {
  test('sentences lose list signs and keep their order', () => {
    expect(sentencesOf('- One fish.\n2) Two fish! Red fish?\n\n* \n')).toEqual([
      'One fish.',
      'Two fish!',
      'Red fish?',
    ]);
  });

  test('common words and single letters are no keywords', () => {
    expect(keywordsOf('The moon, a Moon and x')).toEqual(['moon', 'moon']);
    expect(countWords('The moon, a Moon and x')).toBe(6);
  });

  test('the sentences with the most frequent words are chosen, in the order of the text', () => {
    expect(mostCentral(SOURCE, 2)).toEqual(['Tides rise and fall.', 'The moon pulls the tides.']);
    expect(mostCentral(SOURCE, 99)).toHaveLength(4);
    expect(mostCentral('', 3)).toEqual([]);
  });

  test('coverage is the share of keywords that are there', () => {
    expect(coverage('The moon pulls', 'A moon.')).toBe(0.5);
    expect(coverage('and the', 'anything')).toBe(0);
  });
});

describe('answers', () => {
  const ask = (instruction: string, material: string) =>
    answerTo([
      { role: 'system', content: instruction },
      { role: 'user', content: material },
    ]);

  test('a list is a list of as many sentences of the prompt as were asked for', () => {
    const answer = ask('List the two most important facts as bullets.', SOURCE);
    expect(answer.split('\n')).toEqual(['- Tides rise and fall.', '- The moon pulls the tides.']);
    expect(ask('A list of 1 fact.', SOURCE).split('\n')).toHaveLength(1);
    expect(ask('A list of ten points.', SOURCE).split('\n')).toHaveLength(4);
  });

  test('anything else is a paragraph', () => {
    expect(ask('Write two sentences.', SOURCE)).toBe(
      'Tides rise and fall. The moon pulls the tides.',
    );
    expect(ask('Write.', 'Only this is here.')).toBe('Only this is here.');
    expect(ask('Write one paragraph of two short sentences.', SOURCE)).toBe(
      'Tides rise and fall. The moon pulls the tides.',
    );
  });

  test('without material it says so', () => {
    expect(ask('Write two sentences.', '…')).toBe('There is no sentence in the prompt to work on.');
  });

  test('a review approves a draft that says what the notes say', () => {
    const answer = ask(
      'Review the draft.',
      'Notes:\n- The moon pulls tides.\nDraft:\nThe moon pulls tides.',
    );
    expect(answer).toBe(
      'APPROVED: all 1 notes are in the draft, and each of its 1 sentences rests on a note.',
    );
  });

  test('a review names what is missing and what was added', () => {
    const material = 'Notes:\n- The moon pulls tides.\nDraft:\nCheese is made of milk.\nEnd:\nx';
    expect(ask('Please review it.', material)).toBe(
      'REVISE: missing: The moon pulls tides. / not in the notes: Cheese is made of milk.',
    );
    expect(ask('Please review it.', 'The moon.')).toMatch(/^REVISE: there are no notes/);
  });

  test('the last message of the user is what is worked on', () => {
    const messages = [
      { role: 'user', content: 'An old text.' },
      { role: 'assistant', content: 'An answer.' },
      { role: 'user', content: 'A new text.' },
    ] as const;
    expect(answerTo(messages)).toBe('A new text.');
  });
});
