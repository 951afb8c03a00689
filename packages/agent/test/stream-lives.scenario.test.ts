/**
 * Forty lives within minutes, of a consumer or a producer: it is killed or closed again and again
 * while streams run, and one is begun in each life. Each stream is exactly its chunks and its
 * result, and nothing is left.
 */
import { expect, test } from '@jest/globals';
import type { Agent, AgentStream } from '../src/index.js';
import { leftOf, settle } from './call-points.js';
import { acquainted } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const LIVES = 40;
/** How long each life is, in turn: as long as messages take, or so short that they come late. */
const LASTS_MS = [0, 200, 1_000, 5_000];
const SHORT_MS = [0, 0, 0, 700];
const CHUNKS = 20;
const PACE_MS = 100;

/** What bob does: chunks at a pace, those of an earlier run left out. */
function serve(world: World, agent: Agent, runs: string[]): void {
  const breath = (): Promise<void> =>
    new Promise((resolve) => void world.runtime().schedule(PACE_MS, resolve));
  agent.onStream(async function* ({ text }, { from, attempt }) {
    runs.push(`${text}: from ${from}, attempt ${attempt}`);
    for (let n = from; n < CHUNKS; n++) {
      yield `${text}/${n}`;
      await breath();
    }
    return { text };
  });
}

/** What alice has read of each stream, by its id: chunks by their numbers, and how it ended. */
class Reader {
  readonly chunks = new Map<string, unknown[]>();
  readonly ends = new Map<string, unknown>();
  readonly contradictions: string[] = [];

  /** Reads until the stream or the agent ends. */
  async read(stream: AgentStream): Promise<void> {
    let id = '?';
    try {
      id = await stream.id;
      const all = this.chunks.get(id) ?? [];
      this.chunks.set(id, all);
      let at = await stream.position;
      if (at > all.length) this.contradictions.push(`${id}: ${all.length} read, begins at ${at}`);
      for await (const chunk of stream) {
        if (at < all.length && all[at] !== chunk) this.contradictions.push(`${id}: other ${at}`);
        all[at++] = chunk;
      }
      this.ends.set(id, await stream.result);
    } catch (error) {
      const { code } = error as { code: string };
      if (code !== 'CLOSED' && code !== 'STORAGE') this.ends.set(id, `${code}: ${String(error)}`);
    }
  }
}

test.each([
  ['consumer', 'killed', SHORT_MS, LIVES],
  ['consumer', 'closed', LASTS_MS, LIVES],
  ['producer', 'killed', LASTS_MS, LIVES],
  ['producer', 'closed', LASTS_MS, LIVES / 4],
])('of the %s, %s again and again: each stream is its chunks', async (who, how, lasts, lives) => {
  await using world = await World.create(4_000);
  let { alice, bob } = await acquainted(world);
  const runs: string[] = [];
  serve(world, bob.agent, runs);
  const asked = new Map<string, string>();
  const reader = new Reader();
  const again = async (victim: Resident): Promise<Resident> => {
    await (how === 'killed' ? world.kill(victim) : world.close(victim));
    victim.store.beforeCommit = null;
    return await world.finish(world.agentWithoutHandler(victim.name, {}, victim));
  };
  for (let life = 1; life <= lives; life++) {
    const stream = alice.agent.stream('bob', `question ${life}`);
    asked.set(await world.finish(stream.id), `question ${life}`);
    void reader.read(stream);
    await world.advance(lasts[life % lasts.length] ?? 0);
    if (who === 'consumer') {
      alice = await again(alice);
      for (const open of await alice.agent.streams()) void reader.read(open);
    } else {
      bob = await again(bob);
      serve(world, bob.agent, runs);
    }
  }
  for (let minutes = 0; minutes < 130 && reader.ends.size < lives; minutes++) {
    await world.advance(60_000);
  }
  expect(reader.contradictions).toEqual([]);
  for (const [id, text] of asked) {
    expect([text, reader.ends.get(id)]).toEqual([text, { text }]);
    const whole = Array.from({ length: CHUNKS }, (_, n) => `${text}/${n}`);
    expect(reader.chunks.get(id)).toEqual(whole);
  }
  await settle(world);
  expect(await leftOf(alice, bob)).toEqual([]);
  expect([...alice.events.orphanReply, ...alice.events.cloneOrRollback]).toEqual([]);
});
