/**
 * When the chunks of streams leave (protocol.md §2.19): the first one at once, later ones together,
 * those of all streams to one peer in the same messages. Messages are counted, on virtual time.
 */
import { expect, test } from '@jest/globals';
import { acquainted } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** Between two chunks of each stream. */
const STEP_MS = 10;
const CHUNKS = 200;

const sentBy = (world: World, { name }: Resident): number =>
  world.hub.passed.sent.filter(({ by }) => by === name).length;

/** Reads so many streams of 100 chunks a second to their ends: how many messages they took. */
async function messagesOf(streams: number): Promise<number> {
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  bob.agent.onStream(async function* ({ text }) {
    for (let n = 0; n < CHUNKS; n++) {
      yield `${text} ${n}`;
      await new Promise((resolve) => void world.runtime().schedule(STEP_MS, () => resolve(null)));
    }
  });
  const before = sentBy(world, bob);
  const reading = Array.from({ length: streams }, async (_, stream) => {
    const chunks: unknown[] = [];
    for await (const chunk of alice.agent.stream('bob', `${stream}`)) chunks.push(chunk);
    expect(chunks).toEqual(Array.from({ length: CHUNKS }, (_chunk, n) => `${stream} ${n}`));
  });
  for (let n = 0; n < 2 * CHUNKS; n++) await world.advance(STEP_MS);
  await world.finish(Promise.all(reading));
  return sentBy(world, bob) - before;
}

test('the first chunk leaves at once', async () => {
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  bob.agent.onStream(async function* () {
    yield 'first';
    await new Promise(() => {});
  });
  const stream = alice.agent.stream('bob', 'x');
  const beganMs = world.host.clock();
  const reading = stream.next();
  for (let n = 0; n < 10; n++) await world.rest();
  expect(world.host.clock()).toBe(beganMs);
  expect(await reading).toEqual({ done: false, value: 'first' });
  await stream.cancel();
});

test('100 chunks a second are a message for each 25 ms at most, ten streams of them no more', async () => {
  const one = await messagesOf(1);
  // Two seconds, the first and the last.
  expect(one).toBeLessThanOrEqual((CHUNKS * STEP_MS) / 25 + 2);
  // Ten share messages, ten times as far apart; each has its own end.
  expect(await messagesOf(10)).toBeLessThanOrEqual(one / 5 + 10);
});
