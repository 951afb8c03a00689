/**
 * P4: agents that talk through a hub that lies in every verb. Whatever it does: nothing is accepted
 * that was not said, nothing twice; what counts as delivered is in the recipient's inbox; and what
 * does not arrive is told to its sender within nine days, by whatever hub.
 */
import { expect, test } from '@jest/globals';
import { randomRuns } from '@agentmesh/hub-compliance';
import fc from 'fast-check';
import { LIES } from './lies.js';
import type { Lie } from './lies.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const { seed, numRuns } = randomRuns(100);
const NAMES = ['alice', 'bob', 'carol'] as const;
const DAY_MS = 86_400_000;

type Name = (typeof NAMES)[number];
const who = fc.constantFrom<Name>(...NAMES);

/** What may happen. */
type Act =
  | { readonly do: 'say'; readonly from: Name; readonly to: Name }
  | { readonly do: 'lie'; readonly lie: Lie }
  | { readonly do: 'reconnect' | 'behave' }
  | { readonly do: 'replay' | 'false notice' | 'restart'; readonly who: Name }
  | { readonly do: 'pass'; readonly ms: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('say' as const), from: who, to: who }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('lie' as const),
      lie: fc.constantFrom(...(Object.keys(LIES) as Lie[])),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ do: 'reconnect' } as const, { do: 'behave' } as const),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('replay' as const, 'false notice' as const, 'restart' as const),
      who,
    }),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(3_000, 40_000, 3_700_000, DAY_MS)
      .map((ms) => ({ do: 'pass', ms }) as const),
  },
);

/** A message, and what its sender knows of it. */
interface Said {
  readonly from: Name;
  readonly to: Name;
  readonly text: string;
  /** `waiting`: the hub has not taken it; whoever sent it waits too. */
  fate: 'waiting' | 'accepted' | 'delivered' | 'told';
}

/** The agents and what should be true of them. */
class LyingHubModel {
  readonly world: World;
  readonly said: Said[] = [];
  readonly #residents = new Map<Name, Resident>();
  /** Name and text of all that handlers had. */
  readonly #heard = new Set<string>();
  readonly #wrongs: string[] = [];

  constructor(world: World) {
    this.world = world;
  }

  async start(): Promise<void> {
    for (const name of NAMES) this.#listen(name, await this.world.agent(name));
  }

  async perform(step: Act): Promise<void> {
    const { hub, network } = this.world;
    switch (step.do) {
      case 'say':
        if (step.from !== step.to) this.#say(step.from, step.to);
        return await this.world.rest();
      case 'lie':
        Object.assign(hub.deviations, LIES[step.lie](hub.passed));
        return;
      case 'behave':
        hub.deviations = {};
        return;
      case 'reconnect':
        network.goDown();
        await network.comeBack();
        return await this.world.rest();
      case 'replay':
        this.#replay(step.who);
        return await this.world.rest();
      case 'false notice':
        this.#noticeFalsely(step.who);
        return await this.world.rest();
      case 'restart':
        return this.#listen(step.who, await this.world.restart(this.#resident(step.who)));
      case 'pass':
        return await this.world.jump(step.ms);
    }
  }

  /** Nine days later, whatever the hub did meanwhile. */
  async settle(): Promise<void> {
    for (const ms of [60_000, 3_700_000, 8 * DAY_MS, 3_700_000, 3_700_000]) {
      await this.world.jump(ms);
      await this.world.advance(5_000);
    }
  }

  check(): void {
    expect(this.#wrongs).toEqual([]);
    expect(this.said.filter(({ fate }) => fate === 'accepted')).toEqual([]);
  }

  #say(from: Name, to: Name): void {
    const said: Said = { from, to, text: `${from} to ${to}: ${this.said.length}`, fate: 'waiting' };
    this.said.push(said);
    const told = (): void => void (said.fate = 'told');
    this.#resident(from)
      .agent.send(to, said.text)
      .then(({ delivered }) => {
        said.fate = 'accepted';
        delivered.then(() => {
          said.fate = 'delivered';
          if (!this.#heard.has(`${to} ${said.text}`)) this.#wrong(`'${said.text}' is not there`);
        }, told);
      }, told);
  }

  #listen(name: Name, resident: Resident): void {
    this.#residents.set(name, resident);
    resident.agent.onMessage(({ text, address, sender, redelivered }) => {
      const said = this.said.find((one) => one.text === text);
      const known = NAMES.find((one) => one === sender);
      const isTrue =
        said !== undefined &&
        said.from === known &&
        said.to === name &&
        address === this.#resident(known).agent.address;
      if (!isTrue) this.#wrong(`${name} has '${text}' from ${sender}`);
      const place = `${name} ${text}`;
      if (!redelivered && this.#heard.has(place)) this.#wrong(`${name} has '${text}' twice`);
      this.#heard.add(place);
    });
  }

  /** Noted, for a handler that throws and a promise that rejects fail no test. */
  #wrong(what: string): void {
    this.#wrongs.push(what);
  }

  #resident(name: Name): Resident {
    const resident = this.#residents.get(name);
    if (resident === undefined) throw new RangeError(name);
    return resident;
  }

  /** Something that was once sent, to anybody, from anybody. */
  #replay(to: Name): void {
    const { sent } = this.world.hub.passed;
    const old = sent[sent.length >>> 1];
    if (old === undefined) return;
    const { aid } = this.#resident(NAMES[sent.length % 3] ?? 'bob').keyPair.identity;
    const claimed =
      sent.length % 2 === 0 ? this.#resident(old.by as Name).keyPair.identity.aid : aid;
    const { blob, id } = old.envelope;
    const recipient = this.#resident(to).keyPair.identity.aid;
    this.world.hub.inject(to, { envelope: { id, from: claimed, to: recipient, ts: 0, blob } });
  }

  #noticeFalsely(to: Name): void {
    const own = this.world.hub.passed.sent.findLast(({ by }) => by === to);
    if (own !== undefined)
      this.world.hub.injectNotice(to, { id: own.envelope.id, what: 'expired' });
  }
}

test(
  `P4 end-to-end: a hub that lies in any verb deceives nobody (seed ${seed}, ${numRuns} runs)`,
  async () => {
    const acts = fc.array(act, { minLength: 3, maxLength: 14 });
    await fc.assert(
      fc.asyncProperty(acts, fc.nat(), async (steps, worldSeed) => {
        await using world = await World.create(worldSeed);
        const model = new LyingHubModel(world);
        await model.start();
        for (const step of steps) await model.perform(step);
        await model.settle();
        model.check();
        world.hub.deviations = {};
      }),
      { seed, numRuns },
    );
  },
  20_000 + 2_000 * numRuns,
);
