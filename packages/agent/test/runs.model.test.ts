/**
 * Runs of one store that follow each other faster than their messages come: whatever the order,
 * whatever is lost and asked for again, each message is handled once and none is missing for ever.
 */
import { ready } from '@agentmesh/crypto';
import { randomRuns } from '@agentmesh/hub-compliance';
import { beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RunModel } from './run-model.js';

beforeAll(ready);

/** What happens next; `at` stands for a place, a step of the boot, a time or a choice. */
interface Act {
  readonly what:
    | 'kill'
    | 'say'
    | 'burst'
    | 'lose'
    | 'deliver'
    | 'flush'
    | 'ask'
    | 'pass'
    | 'copy'
    | 'restore'
    | 'clock'
    | 'handle'
    | 'restart';
  readonly at: number;
}

const HOUR_MS = 3_600_000;
const COMMON: readonly Act['what'][] = [
  ...(['kill', 'kill', 'kill', 'say', 'say'] as const),
  ...(['deliver', 'deliver', 'deliver', 'deliver', 'ask', 'pass'] as const),
];

function historiesOf(whats: readonly Act['what'][]): fc.Arbitrary<Act[]> {
  const act = fc.record({ what: fc.constantFrom(...whats), at: fc.nat(2 * HOUR_MS) });
  return fc.array(act, { maxLength: 100, size: 'max' });
}

async function step(model: RunModel, { what, at }: Act): Promise<void> {
  if (what === 'kill') model.kill(at % 1_024);
  else if (what === 'restore') model.restore(at % 1_024);
  else if (what === 'copy') model.copy();
  else if (what === 'ask') model.ask();
  else if (what === 'deliver') await model.deliver(at);
  else if (what === 'flush') for (let n = at % 40; n > 0; n--) await model.deliver(0);
  else if (what === 'burst') for (let n = at % 12; n > 0; n--) model.say(false);
  else if (what === 'pass') model.pass(at % 5_000);
  else if (what === 'clock') model.setClock(at - HOUR_MS);
  else if (what === 'handle') for (let n = at % 4; n > 0; n--) model.handlers.takeNext();
  else if (what === 'restart') model.handlers.restart();
  else model.say(what === 'lose');
}

/** Runs a history to its end. */
async function run(history: readonly Act[], isSeen: (model: RunModel) => void): Promise<RunModel> {
  const model = new RunModel();
  for (const act of history) {
    await step(model, act);
    isSeen(model);
  }
  await model.settle();
  isSeen(model);
  return model;
}

/** At no time is anything acknowledged that has not come. */
function acksAreTrue(model: RunModel): void {
  expect(model.untrueAcks()).toEqual([]);
}

const { seed, numRuns } = randomRuns(60);

test.each([
  ['killed', [...COMMON, 'lose', 'lose'] as const],
  ['killed, in bursts', [...COMMON, 'kill', 'kill', 'burst', 'burst', 'flush'] as const],
  ['killed, with a clock that is set', [...COMMON, 'lose', 'clock'] as const],
])(
  `all that a sender says that is %s is handled once (seed ${seed}, ${numRuns} runs)`,
  async (_, whats) => {
    await fc.assert(
      fc.asyncProperty(historiesOf(whats), async (history) => {
        const model = await run(history, acksAreTrue);
        expect(model.twice()).toEqual([]);
        expect(model.missing()).toEqual([]);
      }),
      { seed, numRuns },
    );
  },
  60_000 + 1_000 * numRuns,
);

test.each([
  ['restored', [...COMMON, 'copy', 'restore'] as const],
  ['restored, by hubs that lose it', [...COMMON, 'lose', 'lose', 'copy', 'restore'] as const],
  ['restored, in bursts', [...COMMON, 'burst', 'flush', 'lose', 'copy', 'restore'] as const],
])(
  `all that a sender says that is %s is handled once (seed ${seed}, ${numRuns} runs)`,
  async (_, whats) => {
    await fc.assert(
      fc.asyncProperty(historiesOf(whats), async (history) => {
        const model = await run(history, acksAreTrue);
        expect([model.twice(), model.missing()]).toEqual([[], []]);
      }),
      { seed, numRuns },
    );
  },
  60_000 + 1_000 * numRuns,
);

test.each([
  ['killed', [...COMMON, 'lose', 'handle', 'handle', 'restart'] as const],
  ['killed, with a clock that is set', [...COMMON, 'lose', 'clock', 'handle', 'handle'] as const],
  ['restored', [...COMMON, 'handle', 'handle', 'copy', 'restore'] as const],
])(
  `what a sender that is %s has said before what is handled is marked (seed ${seed}, ${numRuns} runs)`,
  async (_, whats) => {
    await fc.assert(
      fc.asyncProperty(historiesOf(whats), async (history) => {
        const { handlers } = await run(history, () => {});
        expect(handlers.unmarked).toEqual([]);
      }),
      { seed, numRuns },
    );
  },
  60_000 + 1_000 * numRuns,
);

test(
  `nothing is marked of a sender whose messages come in order (seed ${seed}, ${numRuns} runs)`,
  async () => {
    const histories = historiesOf(['kill', 'say', 'burst', 'flush', 'pass', 'handle']);
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const { handlers } = await run(history, () => {});
        expect(handlers.falselyMarked).toEqual([]);
      }),
      { seed, numRuns },
    );
  },
  60_000 + 1_000 * numRuns,
);

test('what is remembered far below the mark is enough where all of six runs comes late', async () => {
  const model = new RunModel();
  for (const said of [1, 21, 29, 9, 1, 0]) {
    for (let n = said; n > 0; n--) model.say(false);
    if (said > 0) model.kill();
  }
  await model.settle();
  expect([model.twice(), model.missing()]).toEqual([[], []]);
});

/** Each of so many runs says one thing, and that it goes on comes late, or never. */
test.each(
  [100, 300, 1_200].flatMap((said) =>
    [5, 8, 40].flatMap((runs) => [true, false].map((isLate) => [said, runs, isLate] as const)),
  ),
)(
  'of %i messages of a run none comes twice when %i more are heard (their words late: %s)',
  async (said, runs, isLate) => {
    const model = new RunModel();
    for (let n = said; n > 0; n--) model.say(false);
    while (model.onItsWay.length > 0) await model.deliver(0);
    const words: typeof model.onItsWay = [];
    for (let run = 0; run < runs; run++) {
      model.kill();
      model.pass(1_000);
      model.say(false);
      words.push(...model.onItsWay.splice(0, 1));
      await model.deliver(0);
    }
    model.ask();
    if (isLate) model.onItsWay.push(...words);
    await model.settle();
    expect([model.twice(), model.missing()]).toEqual([[], []]);
  },
);
