/**
 * Two agents that write to each other while they are killed, put back to copies of their stores and
 * change their identities, in any order and faster than their messages come: the real agents over a
 * hub in virtual time. Owns what should be true of them; which histories there are is the test's.
 */
import type { AgentKeyPair } from '@agentmesh/crypto';
import type { TestStore } from './test-store.js';
import { World } from './world.js';
import type { Resident } from './world.js';

export const NAMES = ['alice', 'bob'] as const;
export type Name = (typeof NAMES)[number];

/** What may happen next, to whom; `at` stands for a time. */
export interface Act {
  readonly what: 'say' | 'kill' | 'copy' | 'restore' | 'rotate' | 'hold' | 'cut' | 'pass';
  readonly who: Name;
  readonly at: number;
}

/** A message that the hub has accepted. */
interface Story {
  readonly from: Name;
  readonly to: Name;
  readonly text: string;
  readonly id: string;
  /** How often each end had been put back then. */
  readonly restores: Readonly<Record<Name, number>>;
}

/** One agent over all its lives. */
interface Life {
  resident: Resident;
  keyPair: AgentKeyPair;
  /** Texts that its present store knows as handled. */
  handled: Set<string>;
  copy: {
    readonly store: TestStore;
    readonly handled: ReadonlySet<string>;
  } | null;
  restores: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const other = (name: Name): Name => (name === 'alice' ? 'bob' : 'alice');
const GIVEN_UP: ReadonlySet<string> = new Set(['expired', 'rejected', 'failed', 'cancelled']);

/** Both, and what they were told. */
export class RotationModel {
  readonly world: World;
  readonly #lives = new Map<Name, Life>();
  readonly #stories: Story[] = [];
  readonly #handled = new Set<string>();
  /** By id: how it ended, as its sender was told. */
  readonly #told = new Map<string, Set<string>>();
  readonly #held = new Set<Name>();
  readonly wrongs: string[] = [];
  #said = 0;

  private constructor(world: World) {
    this.world = world;
    world.hub.deviations.deliver = (delivery, to) => (this.#held.has(to as Name) ? [] : [delivery]);
  }

  static async begin(seed: number): Promise<RotationModel> {
    const model = new RotationModel(await World.create(seed));
    for (const name of NAMES) {
      const keyPair = model.world.keys();
      const resident = await model.world.agentWithoutHandler(name, {}, { keyPair });
      model.#lives.set(name, {
        resident,
        keyPair,
        handled: new Set(),
        copy: null,
        restores: 0,
      });
      model.#listen(name, resident);
    }
    for (const name of NAMES) await model.perform({ what: 'say', who: name, at: 0 });
    return model;
  }

  async perform({ what, who, at }: Act): Promise<void> {
    const life = this.#life(who);
    if (what === 'say') this.#say(who);
    else if (what === 'kill') await this.#startFrom(who, await life.resident.store.snapshot());
    else if (what === 'restore' && life.copy !== null) await this.#restore(who, life.copy);
    else if (what === 'copy' || what === 'restore') await this.#copy(who);
    else if (what === 'rotate') await this.#rotate(who);
    else if (what === 'hold') this.#held.add(who);
    else if (what === 'cut') await this.#cut();
    else await this.world.advance(at);
    await this.world.rest();
  }

  /** Everything comes; two minutes later all is settled. */
  async settle(): Promise<void> {
    await this.#cut();
    await this.world.advance(MINUTE);
    // Whoever was not heard of since shows itself.
    for (const name of NAMES) this.#say(name);
    await this.world.advance(MINUTE);
  }

  async close(): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }

  /** Accepted, handled by nobody, and nobody was told. */
  missing(): string[] {
    const open = this.#stories.filter(({ text, id }) => {
      const isTold = [...(this.#told.get(id) ?? [])].some((state) => GIVEN_UP.has(state));
      return !this.#handled.has(text) && !isTold;
    });
    // A sender that was put back has no more than its hub has.
    const kept = open.filter(({ from, restores }) => restores[from] === this.#life(from).restores);
    return kept.map(({ from, text }) => `${from}: ${text}`);
  }

  /** Whose end its sender was not told, although neither side was put back. */
  untold(): string[] {
    return this.#stories
      .filter(({ restores }) => NAMES.every((name) => restores[name] === this.#life(name).restores))
      .filter(({ id }) => {
        const states = this.#told.get(id) ?? new Set();
        return !states.has('handled') && ![...states].some((state) => GIVEN_UP.has(state));
      })
      .map(({ from, text }) => `${from}: ${text}`);
  }

  /** Told as given up and handled all the same, or as handled, and not. */
  untrue(): string[] {
    return this.#stories
      .filter(({ text, id }) => {
        const states = [...(this.#told.get(id) ?? [])];
        const isHandled = this.#handled.has(text);
        return states.some((state) =>
          isHandled ? GIVEN_UP.has(state) : state === 'handled' || state === 'delivered',
        );
      })
      .map(({ from, text, id }) => `${from}: ${text} ${[...(this.#told.get(id) ?? [])].join()}`);
  }

  #life(name: Name): Life {
    const life = this.#lives.get(name);
    if (life === undefined) throw new RangeError(name);
    return life;
  }

  #say(from: Name): void {
    const to = other(from);
    this.#said += 1;
    const text = `${from} ${this.#said}`;
    this.#life(from)
      .resident.agent.send(to, text)
      .then(
        ({ id }) => {
          const restores = {
            alice: this.#life('alice').restores,
            bob: this.#life('bob').restores,
          };
          this.#stories.push({ from, to, text, id, restores });
        },
        () => undefined,
      );
  }

  #listen(name: Name, resident: Resident): void {
    const life = this.#life(name);
    resident.agent.onMessage(({ text, redelivered }) => {
      if (life.handled.has(text) && !redelivered) this.wrongs.push(`${name} had '${text}' twice`);
      life.handled.add(text);
      this.#handled.add(text);
    });
    resident.agent.on('outgoing', ({ id, state }) => {
      const states = this.#told.get(id) ?? new Set();
      this.#told.set(id, states.add(state));
    });
    resident.agent.on('connection', ({ state, error }) => {
      if (state === 'ended' && error !== null) this.wrongs.push(`${name} ended: ${error.code}`);
    });
  }

  async #startFrom(name: Name, store: TestStore): Promise<void> {
    const life = this.#life(name);
    await this.world.kill(life.resident);
    const { keyPair } = life;
    life.resident = await this.world.agentWithoutHandler(name, {}, { keyPair, store });
    this.#listen(name, life.resident);
  }

  async #copy(name: Name): Promise<void> {
    const life = this.#life(name);
    const store = await life.resident.store.snapshot();
    await store.open();
    life.copy = { store, handled: new Set(life.handled) };
  }

  async #restore(name: Name, copy: NonNullable<Life['copy']>): Promise<void> {
    const life = this.#life(name);
    life.restores += 1;
    life.handled = new Set(copy.handled);
    await this.#startFrom(name, await copy.store.snapshot());
  }

  async #rotate(name: Name): Promise<void> {
    const life = this.#life(name);
    const next = this.world.keys();
    try {
      await this.world.finish(life.resident.agent.rotateIdentity(next));
      life.keyPair = next;
      // A copy of before has the former keys: its owner would not use it.
      life.copy = null;
    } catch (error) {
      this.wrongs.push(`${name} not rotated: ${String(error)}`);
    }
  }

  async #cut(): Promise<void> {
    this.#held.clear();
    this.world.network.goDown();
    await this.world.network.comeBack();
  }
}
