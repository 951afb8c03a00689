/**
 * What one message of one peer makes an agent write: a bounded number of small rows, whatever the
 * peer does with the numbers of its messages, of its chains and of its instances.
 */
import { expect, test } from '@jest/globals';
import { CONTENT_KIND } from '@agentmesh/crypto';
import type { Content } from '@agentmesh/crypto';
import { receiptBody } from '../src/conversation/body.js';
import { encodeRunWord } from '../src/conversation/run.js';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import type { StoreOperation } from '../src/store/store.js';
import { envelopeTo, Forger } from './forger.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** Most that one message may write beyond its own content, and most of an ordinary one. */
const MOST_BYTES = 32 * 1024;
const MOST_ROWS = 160;
const ORDINARY_BYTES = 4 * 1024;
/** A message of the forger whose number alone is out of the ordinary writes so much. */
const NUMBERED_BYTES = 8 * 1024;

function bytesOf(operations: readonly StoreOperation[]): number {
  return operations.reduce((sum, operation) => {
    if ('delete' in operation) return sum + operation.delete.length;
    // Contents are as large as what was sent.
    const isContent = /^(?:inbox|sent|outbox|security|dead)\//.test(operation.put);
    return sum + operation.put.length + (isContent ? 0 : operation.value.length);
  }, 0);
}

/** An agent, and one that says to it whatever it likes. */
class Duel implements AsyncDisposable {
  readonly world: World;
  readonly victim: Resident;
  readonly #mallory: Resident;
  readonly #forger: Forger;
  /** Bytes and rows of each commit since the last look. */
  #commits: { readonly bytes: number; readonly rows: number }[] = [];

  private constructor(world: World, pair: readonly [Resident, Resident], forger: Forger) {
    this.world = world;
    [this.victim, this.#mallory] = pair;
    this.#forger = forger;
    this.victim.store.beforeCommit = (operations) =>
      void this.#commits.push({ bytes: bytesOf(operations), rows: operations.length });
  }

  static async begin(): Promise<Duel> {
    const world = await World.create();
    const victim = await world.agent('victim');
    const mallory = await world.agent('mallory');
    await world.finish(mallory.agent.connect('victim'));
    const bundle = world.hub.passed.served.at(-1)?.bundle;
    if (bundle === undefined) throw new TypeError('nothing was served');
    const forger = new Forger(mallory.keyPair, bundle, world.host.clock(), 9);
    return new Duel(world, [victim, mallory], forger);
  }

  get instance(): Uint8Array {
    return this.#forger.instance;
  }

  /** One message that the victim takes; gives the largest commit that came of it. */
  async say(fields: Partial<Content>): Promise<{ readonly bytes: number; readonly rows: number }> {
    this.#commits = [];
    this.#inject(this.#wire(fields));
    await this.world.rest();
    const most = (of: 'bytes' | 'rows'): number =>
      Math.max(0, ...this.#commits.map((commit) => commit[of]));
    return { bytes: most('bytes'), rows: most('rows') };
  }

  /** Moves the forger's chain over messages that nobody gets. */
  skip(count: number): void {
    for (let n = 0; n < count; n++) this.#wire({});
  }

  #wire(fields: Partial<Content>): Uint8Array {
    const sentAtMs = this.world.host.clock();
    const names = { fromName: this.#mallory.name, toName: this.victim.name, sentAtMs };
    return this.#forger.say({
      ...names,
      kind: CONTENT_KIND.nudge,
      body: new Uint8Array(),
      ...fields,
    });
  }

  #inject(wire: Uint8Array): void {
    this.world.hub.inject('victim', envelopeTo(this.victim, this.#forger.aid, wire));
  }

  async taken(): Promise<number> {
    const rows = await this.victim.store.rows();
    return [...rows.keys()].filter((key) => key.startsWith('heard/')).length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}

test('T-A60 large rows by holes: each message writes a few kilobytes, however many numbers are missing', async () => {
  await using duel = await Duel.begin();
  let most = 0;
  for (let n = 1; n <= 1_500; n++) {
    most = Math.max(most, (await duel.say({ convSeq: 2 * n })).bytes);
  }
  expect(most).toBeLessThan(ORDINARY_BYTES);
  // All of it is settled at once: what goes is bounded too.
  const body = receiptBody(5_000);
  const floor = await duel.say({ convSeq: 6_000, kind: CONTENT_KIND.receipt, body });
  expect(floor.bytes).toBeLessThan(MOST_BYTES);
  expect(floor.rows).toBeLessThan(MOST_ROWS);
});

test('T-A61 large rows by far numbers and instances: each message writes a few kilobytes', async () => {
  await using duel = await Duel.begin();
  let most = 0;
  for (let n = 1; n <= 2 * AGENT_LIMITS.sequenceParts; n++) {
    most = Math.max(most, (await duel.say({ convSeq: n * 2 ** 40 })).bytes);
  }
  expect(most).toBeLessThan(NUMBERED_BYTES);
  expect(await duel.taken()).toBeLessThanOrEqual(AGENT_LIMITS.sequenceParts + 1);
  // Each run of its store goes on from the one before, with all that is known of it.
  let before = duel.instance;
  for (let run = 1; run <= 3 * AGENT_LIMITS.instances; run++) {
    const instance = duel.instance.slice().fill(run, 8);
    const number = (2 * AGENT_LIMITS.sequenceParts + run) * 2 ** 40;
    const line = Array.from({ length: AGENT_LIMITS.runLinks - 1 }, (_, at) => ({
      instance: duel.instance.slice().fill(100 + at, 8),
      number: number - 1 - at,
    }));
    const body = encodeRunWord({ what: 'goesOn', before: line, instance: before, number });
    const forked = await duel.say({ instance, convSeq: number, kind: CONTENT_KIND.run, body });
    expect(forked.bytes).toBeLessThan(MOST_BYTES);
    expect(forked.rows).toBeLessThan(MOST_ROWS);
    const next = await duel.say({ instance, convSeq: number + 2 });
    expect(next.bytes).toBeLessThan(NUMBERED_BYTES);
    before = instance;
  }
  expect(await duel.taken()).toBeLessThanOrEqual(AGENT_LIMITS.sequenceParts + 8);
});

test('T-A62 large rows by jumps: a message writes the keys that it skips, not those before', async () => {
  await using duel = await Duel.begin();
  await duel.say({});
  for (let round = 0; round < 12; round++) {
    duel.skip(200);
    const jump = await duel.say({});
    expect(jump.bytes).toBeLessThan(MOST_BYTES);
    expect(jump.rows).toBeLessThan(MOST_ROWS);
    expect((await duel.say({})).bytes).toBeLessThan(ORDINARY_BYTES);
    await duel.world.advance(1_000);
  }
  // All keys that the session may keep are there, and one message more writes none of them.
  for (let n = 0; n < 100; n++) {
    duel.skip(1);
    expect((await duel.say({})).bytes).toBeLessThan(ORDINARY_BYTES);
  }
});

test('T-A63 instance of another store: what a session did not begin with is refused', async () => {
  await using duel = await Duel.begin();
  await duel.say({});
  await duel.say({ instance: new Uint8Array(16).fill(7) });
  expect(duel.victim.events.refused).toMatchObject([{ code: 'BAD_CONTENT' }]);
});
