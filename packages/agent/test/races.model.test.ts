/**
 * P6: one peer, everything at once: sealing, opening, rotating and handing over prekeys, closing,
 * in any order in which the store may answer. No place in a chain is used twice, no change gets
 * lost, and what was answered is there after a restart.
 */
import { expect, test } from '@jest/globals';
import { AgentKeyPair, AgentMeshError, ready } from '@agentmesh/crypto';
import { randomRuns, seededRandom } from '@agentmesh/hub-compliance';
import { fromBase64Url } from '@agentmesh/protocol';
import fc from 'fast-check';
import { Agent, MemoryStore } from '../src/index.js';
import type { AgentStore, SealedEnvelope, StoreOperation, StoreRange } from '../src/index.js';
import { KeyLedger } from './key-ledger.js';

const { seed, numRuns } = randomRuns(500);
const ROTATION_MS = 3 * 86_400_000;
/** Any more would outlive the first signed prekey, and Bob's messages with it. */
const MAX_ROTATIONS = 3;
const WIRES = 3;

/** What is done at the same time. */
type Act = 'seal' | 'open' | 'open again' | 'hand over' | 'rotate' | 'close';
const act = fc.constantFrom<Act>(
  ...(['seal', 'seal', 'seal', 'open', 'open', 'open again'] as const),
  ...(['hand over', 'rotate', 'close'] as const),
);

/** A memory store whose answers come in the order that a scheduler chooses. */
class RacingStore implements AgentStore {
  readonly #inner = new MemoryStore();
  scheduler: fc.Scheduler | null = null;

  open = (): Promise<void> => this.#inner.open();
  close = (): Promise<void> => this.#inner.close();

  async get(key: string): Promise<Uint8Array | null> {
    await this.#turn(`get ${key}`);
    return this.#inner.get(key);
  }

  async range(range: StoreRange): ReturnType<AgentStore['range']> {
    await this.#turn(`range ${range.from}`);
    return this.#inner.range(range);
  }

  /** Takes effect in the order of the calls, as the contract says; the answers may overtake. */
  async commit(operations: readonly StoreOperation[]): Promise<void> {
    await this.#inner.commit(operations);
    await this.#turn('commit');
  }

  async #turn(label: string): Promise<void> {
    await this.scheduler?.schedule(Promise.resolve(), label);
  }
}

/** Alice, whose calls race, and Bob, who checks. */
class Race {
  readonly ledger = new KeyLedger();
  readonly sealed: { readonly text: string; readonly wire: SealedEnvelope }[] = [];
  readonly bundles: string[] = [];
  /** Of Bob's messages, how often each was opened. */
  readonly opened = new Map<SealedEnvelope, number>();
  readonly store = new RacingStore();
  readonly #keyPair: AgentKeyPair;
  readonly #seed: number;
  #nowMs = 1_700_000_000_000;
  #texts = 0;
  #next = 0;
  #boots = 0;
  alice!: Agent;
  bob!: Agent;
  wires: readonly SealedEnvelope[] = [];

  constructor(seed: number) {
    this.#seed = seed;
    this.#keyPair = AgentKeyPair.generate(seededRandom(seed));
  }

  async start(): Promise<void> {
    this.alice = await this.startAlice();
    this.bob = await this.#agent('bob', { seed: this.#seed + 1 });
    await this.alice.connectWithBundle(await this.bob.publicBundle());
    await this.bob.connectWithBundle(await this.alice.publicBundle());
    const wires = [];
    for (let n = 0; n < WIRES; n++) wires.push(await this.bob.seal('alice', `${n}`));
    this.wires = wires;
    for (const { blob } of wires) this.ledger.record(fromBase64Url(blob));
  }

  startAlice(): Promise<Agent> {
    this.#boots += 1;
    const { store } = this;
    return this.#agent('alice', { seed: this.#seed + 2 + 1_000 * this.#boots, store });
  }

  async perform(what: Act): Promise<void> {
    try {
      await this.#perform(what);
    } catch (error) {
      const code = error instanceof AgentMeshError ? error.code : String(error);
      expect(['DUPLICATE', 'CLOSED', 'STORE_CLOSED']).toContain(code);
    }
  }

  async sealAndNote(): Promise<void> {
    const text = `alice ${(this.#texts += 1)}`;
    const wire = await this.alice.seal('bob', text);
    this.ledger.record(fromBase64Url(wire.blob));
    this.sealed.push({ text, wire });
  }

  async #perform(what: Act): Promise<void> {
    switch (what) {
      case 'seal':
        return this.sealAndNote();
      case 'open':
        return this.#open(this.wires[this.#next++ % WIRES]!);
      case 'open again':
        return this.#open(this.wires[Math.max(0, this.#next - 1) % WIRES]!);
      case 'rotate':
        this.#nowMs += ROTATION_MS;
        return this.#handOver();
      case 'hand over':
        return this.#handOver();
      case 'close':
        return this.alice.close();
    }
  }

  async #open(wire: SealedEnvelope): Promise<void> {
    await this.alice.open(wire);
    this.opened.set(wire, (this.opened.get(wire) ?? 0) + 1);
  }

  async #handOver(): Promise<void> {
    this.bundles.push(JSON.stringify(await this.alice.publicBundle()));
  }

  #agent(name: string, { seed, store }: { seed: number; store?: AgentStore }): Promise<Agent> {
    const runtime = { now: () => this.#nowMs, random: seededRandom(seed) };
    const keyPair = name === 'alice' ? this.#keyPair : undefined;
    return Agent.create(name, { runtime, store, keyPair, logLevel: 'silent' });
  }
}

/** Restarts Alice without a race and checks what is left of it. */
async function expectNothingLost(race: Race): Promise<void> {
  await race.alice.close();
  race.alice = await race.startAlice();
  for (const wire of race.wires) {
    const times = race.opened.get(wire) ?? 0;
    expect(times).toBeLessThanOrEqual(1);
    const again = race.alice.open(wire);
    if (times === 1) await expect(again).rejects.toMatchObject({ code: 'DUPLICATE' });
    else expect((await again).sender).toBe('bob');
  }
  await race.sealAndNote();
  for (const { text, wire } of race.sealed) expect((await race.bob.open(wire)).text).toBe(text);
  expect(new Set(race.bundles).size).toBe(race.bundles.length);
}

test(
  `P6 races: no place twice, no update lost (seed ${seed}, ${numRuns} runs)`,
  async () => {
    await ready();
    const acts = fc
      .array(act, { minLength: 2, maxLength: 7 })
      .filter((all) => all.filter((what) => what === 'rotate').length <= MAX_ROTATIONS);
    await fc.assert(
      fc.asyncProperty(acts, fc.scheduler(), fc.nat(100_000), async (all, scheduler, salt) => {
        const race = new Race(10 * salt);
        await race.start();
        race.store.scheduler = scheduler;
        await scheduler.waitFor(Promise.all(all.map((what) => race.perform(what))));
        race.store.scheduler = null;
        await expectNothingLost(race);
        await race.alice.close();
        await race.bob.close();
      }),
      { seed, numRuns },
    );
  },
  20_000 + 500 * numRuns,
);
