/**
 * Agents that are killed, put back to copies and change their identities faster than their messages
 * come: nothing that was accepted is lost, nothing is handled twice unless it says so, and every
 * outcome is true.
 */
import { expect, test } from '@jest/globals';
import { randomRuns } from '@agentmesh/hub-compliance';
import fc from 'fast-check';
import { NAMES, RotationModel } from './rotation-model.js';
import type { Act } from './rotation-model.js';

const { seed, numRuns } = randomRuns(4);

const act: fc.Arbitrary<Act> = fc.record({
  what: fc.constantFrom<Act['what']>(
    ...(['say', 'say', 'say', 'kill', 'kill', 'copy', 'restore', 'restore', 'restore'] as const),
    ...(['rotate', 'rotate', 'hold', 'hold', 'cut', 'pass'] as const),
  ),
  who: fc.constantFrom(...NAMES),
  at: fc.nat(8_000),
});
const history = fc.record({
  worldSeed: fc.nat(1_000_000),
  acts: fc.array(act, { maxLength: 30, size: 'max' }),
});

/** What was wrong once a history had ended. */
async function wrongsIn(worldSeed: number, acts: readonly Act[]): Promise<string[][]> {
  const model = await RotationModel.begin(worldSeed);
  try {
    for (const each of acts) await model.perform(each);
    await model.settle();
    return [model.wrongs, model.missing(), model.untold(), model.untrue()];
  } finally {
    await model.close();
  }
}

const NOTHING = [[], [], [], []];

/** What is written shortly, such as `say alice, pass 300`. */
function actsOf(text: string): Act[] {
  return text.split(', ').map((each): Act => {
    const [what, whom] = each.split(' ');
    const who = whom === 'bob' ? 'bob' : 'alice';
    return { what: what as Act['what'], who, at: 0 };
  });
}

test.each([
  [
    'that nobody was told of',
    7,
    'rotate alice, kill bob, restore bob, kill bob, restore bob, say alice, restore bob, say bob, ' +
      'rotate alice',
  ],
  [
    'that was handled twice, since three changes had let go of what was known of it',
    999_989,
    'rotate bob, say alice, say alice, rotate bob, say bob, rotate bob, say bob, kill alice',
  ],
  [
    'of an identity that its recipient has never met',
    19,
    'restore alice, hold alice, kill alice, rotate bob, say bob, rotate bob, restore alice',
  ],
])(
  'a message %s (%i)',
  async (_, worldSeed, history) => {
    expect(await wrongsIn(worldSeed, actsOf(history))).toEqual(NOTHING);
  },
  300_000,
);

test(
  `nothing is lost around changes of identity and copies (seed ${seed}, ${numRuns} runs)`,
  async () => {
    await fc.assert(
      fc.asyncProperty(history, async ({ worldSeed, acts }) => {
        expect(await wrongsIn(worldSeed, acts)).toEqual(NOTHING);
      }),
      { seed, numRuns, endOnFailure: true },
    );
  },
  120_000 + 60_000 * numRuns,
);
