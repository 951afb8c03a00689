/**
 * P2: two agents, a hub that drops, holds back and replays, lost stores, restarts, time. Whatever
 * happened before: in the end one session is left, and what was sent has arrived, unless the
 * network dropped it or a store that held it was lost.
 */
import { expect, test } from '@jest/globals';
import { toHex } from '@agentmesh/crypto';
import { randomRuns } from '@agentmesh/hub-compliance';
import type { OutgoingEnvelope } from '@agentmesh/protocol';
import fc from 'fast-check';
import { activeOf, decodePeer } from '../src/conversation/peer.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const { seed, numRuns } = randomRuns(250);
const DAY_MS = 86_400_000;

type Name = 'alice' | 'bob';
const NAMES: readonly Name[] = ['alice', 'bob'];
const who = fc.constantFrom<Name>(...NAMES);

/** What may happen to the pair. */
type Act =
  | { readonly do: 'send' | 'lose store' | 'restart' | 'replay'; readonly who: Name }
  | { readonly do: 'drop'; readonly count: number }
  | { readonly do: 'hold' | 'release' }
  | { readonly do: 'pass'; readonly ms: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 10, arbitrary: who.map((name) => ({ do: 'send', who: name }) as const) },
  { weight: 2, arbitrary: who.map((name) => ({ do: 'lose store', who: name }) as const) },
  { weight: 2, arbitrary: who.map((name) => ({ do: 'restart', who: name }) as const) },
  { weight: 2, arbitrary: who.map((name) => ({ do: 'replay', who: name }) as const) },
  {
    weight: 3,
    arbitrary: fc.integer({ min: 1, max: 3 }).map((count) => ({ do: 'drop', count }) as const),
  },
  { weight: 2, arbitrary: fc.constantFrom({ do: 'hold' } as const, { do: 'release' } as const) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(3_000, 40_000, 3_700_000, 8 * DAY_MS)
      .map((ms) => ({ do: 'pass', ms }) as const),
  },
);

/** A message of the model. */
interface Said {
  readonly by: Name;
  readonly text: string;
  /** Withheld by the network, and its sender cannot or will not seal it again. */
  excused: boolean;
}

/** The pair and what should be true of it. */
class PairModel {
  readonly world: World;
  readonly said: Said[] = [];
  /** What each store of each agent handed to its handler; a lost store begins a new list. */
  readonly heard: Record<Name, string[][]> = { alice: [[]], bob: [[]] };
  readonly #residents = new Map<Name, Resident>();
  #drop = 0;
  #held: OutgoingEnvelope[] | null = null;

  constructor(world: World) {
    this.world = world;
    world.hub.deviations.send = (envelope) => this.#pass(envelope);
  }

  resident(name: Name): Resident {
    const resident = this.#residents.get(name);
    if (resident === undefined) throw new RangeError(name);
    return resident;
  }

  async start(): Promise<void> {
    for (const name of NAMES) this.#listen(name, await this.world.agent(name));
  }

  async perform(step: Act): Promise<void> {
    switch (step.do) {
      case 'send':
        return await this.send(step.who);
      case 'lose store':
        return await this.#loseStore(step.who);
      case 'restart':
        return this.#listen(step.who, await this.world.restart(this.resident(step.who)));
      case 'replay':
        return await this.#replay(step.who);
      case 'drop':
        this.#drop = step.count;
        return;
      case 'hold':
        this.#held ??= [];
        return;
      case 'release':
        return await this.release();
      case 'pass':
        // What the network has withheld for a week is not sent again (§2.10).
        if (step.ms > 7 * DAY_MS) this.#excuse(() => true);
        return await this.world.jump(step.ms);
    }
  }

  async send(name: Name): Promise<void> {
    const text = `${this.said.length}`;
    const said: Said = { by: name, text, excused: false };
    this.said.push(said);
    await this.world.finish(this.resident(name).agent.send(otherOf(name), text));
    await this.world.rest();
  }

  /** The network is honest from now on, and gives what it held back. */
  async release(): Promise<void> {
    const held = this.#held ?? [];
    this.#held = null;
    const { hub } = this.world;
    for (const envelope of held) {
      const sender = hub.passed.sent.find((sent) => sent.envelope === envelope)?.by as Name;
      const from = this.resident(sender).keyPair.identity.aid;
      await this.world.local.deliver({ ...envelope, from });
    }
    await this.world.rest();
  }

  heal(): void {
    this.#drop = 0;
  }

  async #loseStore(name: Name): Promise<void> {
    // What it has not sent yet is gone with it, and what only it could seal again.
    this.#excuse(({ by }) => by === name);
    this.heard[name].push([]);
    this.#listen(name, await this.world.loseStore(this.resident(name)));
  }

  async #replay(name: Name): Promise<void> {
    const old = this.world.hub.passed.sent.filter(({ by }) => by !== name);
    const sent = old[old.length >>> 1];
    if (sent === undefined) return;
    const from = this.resident(otherOf(name)).keyPair.identity.aid;
    const { to, blob } = sent.envelope;
    this.world.hub.inject(name, { envelope: { id: new Uint8Array(16), from, to, ts: 0, blob } });
    await this.world.rest();
  }

  #pass(envelope: OutgoingEnvelope): readonly OutgoingEnvelope[] {
    if (this.#drop > 0) {
      this.#drop -= 1;
      return [];
    }
    if (this.#held === null) return [envelope];
    this.#held.push(envelope);
    return [];
  }

  #excuse(isMeant: (said: Said) => boolean): void {
    for (const said of this.said) {
      if (isMeant(said) && !this.#isHeard(said)) said.excused = true;
    }
  }

  #isHeard({ by, text }: Said): boolean {
    return this.heard[otherOf(by)].some((texts) => texts.includes(text));
  }

  #listen(name: Name, resident: Resident): void {
    this.#residents.set(name, resident);
    const texts = this.heard[name].at(-1);
    resident.agent.onMessage(({ text }) => void texts?.push(text));
  }

  /** Everything that had to arrive has, and nothing twice in one store. */
  check(): void {
    const missing = this.said.filter((said) => !said.excused && !this.#isHeard(said));
    expect(missing).toEqual([]);
    for (const name of NAMES) {
      for (const texts of this.heard[name]) expect(new Set(texts).size).toBe(texts.length);
    }
  }
}

function otherOf(name: Name): Name {
  return name === 'alice' ? 'bob' : 'alice';
}

/** The sid that an agent sends in to the other; null if it would need a new session. */
async function sendingSid({ store }: Resident): Promise<string | null> {
  const rows = [...(await store.rows())].filter(([key]) => key.startsWith('peer/'));
  const [peer] = rows.map(([, row]) => decodePeer(Uint8Array.from(Buffer.from(row, 'hex'))));
  const active = peer === undefined ? null : activeOf(peer, 1);
  return active === null ? null : toHex(active.sid);
}

/** Time for receipts, gaps and put-off deliveries, and then two round trips. */
async function settle(model: PairModel): Promise<void> {
  model.heal();
  await model.release();
  for (const name of NAMES) await model.send(name);
  for (const ms of [5_000, 40_000, 120_000, 3_700_000]) await model.world.jump(ms);
  for (let trip = 0; trip < 2; trip++) for (const name of NAMES) await model.send(name);
  for (const ms of [5_000, 40_000, 120_000]) await model.world.jump(ms);
}

test(
  `P2 pair-sessions: one session is left (seed ${seed}, ${numRuns} runs)`,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 14 }), fc.nat(), async (acts, worldSeed) => {
        await using world = await World.create(worldSeed);
        const model = new PairModel(world);
        await model.start();
        for (const step of acts) await model.perform(step);
        await settle(model);
        model.check();
        const sids = await Promise.all(NAMES.map((name) => sendingSid(model.resident(name))));
        expect(sids[0]).not.toBeNull();
        expect(sids[0]).toBe(sids[1]);
      }),
      { seed, numRuns },
    );
  },
  20_000 + 1_000 * numRuns,
);
