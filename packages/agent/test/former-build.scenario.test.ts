/**
 * Agents of a build before calls, kept in one file as it was built, beside today's: what each says
 * the other takes, and what the former one does not know ends with a typed error. Nothing is lost
 * for it.
 */
import { describe, expect, test } from '@jest/globals';
import type { AgentKeyPair } from '@agentmesh/crypto';
import type { Agent, AgentStore, Message } from '../src/index.js';
import { leftOf, settle } from './call-points.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** What the kept build exports; its classes are not those of today. */
interface FormerBuild {
  readonly Agent: typeof Agent;
  readonly MemoryStore: new () => AgentStore;
  readonly AgentKeyPair: typeof AgentKeyPair;
  readonly ready: () => Promise<void>;
}

const BUILD = new URL('../vectors/agent-before-calls.mjs', import.meta.url).href;
const former = (await import(BUILD)) as FormerBuild;

/** An agent of the former build on the hub of a world. */
class FormerAgent {
  readonly texts: string[] = [];
  readonly store = new former.MemoryStore();
  agent!: Agent;
  readonly #world: World;
  readonly #keyPair = former.AgentKeyPair.generate();
  readonly #handle: (message: Message) => Promise<unknown>;

  constructor(world: World, handle: (message: Message) => Promise<unknown>) {
    this.#world = world;
    this.#handle = handle;
  }

  /** Comes up, also again. */
  async start(): Promise<void> {
    const { hub } = this.#world;
    const runtime = this.#world.runtime();
    const { store } = this;
    const means = { hub, keyPair: this.#keyPair, store, runtime, logLevel: 'silent' } as const;
    this.agent = await this.#world.finish(former.Agent.create('former', means));
    this.agent.onMessage(async (message) => {
      this.texts.push(message.text);
      await this.#handle(message);
    });
  }

  stop(): Promise<void> {
    return this.#world.finish(this.agent.close());
  }
}

async function begin(handle: (message: Message) => Promise<unknown> = async () => {}) {
  const world = await World.create();
  await former.ready();
  const alice = await world.agent('alice');
  const peer = new FormerAgent(world, handle);
  await peer.start();
  return { world, alice, peer };
}

/** Each hears the other, whatever was between them, and nothing of it is left. */
async function goOn({ world, alice, peer }: Awaited<ReturnType<typeof begin>>): Promise<void> {
  await settle(world);
  const there = await world.finish(alice.agent.send('former', 'what comes next'));
  await world.finish(there.handled);
  const back = await world.finish(peer.agent.send('alice', 'and back'));
  await world.finish(back.handled);
  await settle(world);
  expect([peer.texts.at(-1), alice.texts.at(-1)]).toEqual(['what comes next', 'and back']);
  expect(await leftOf(alice)).toEqual([]);
  const { refused, gap, stopped } = alice.events;
  expect([...refused, ...gap, ...stopped]).toEqual([]);
  await peer.stop();
  await world[Symbol.asyncDispose]();
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: { code: string }) => error.code,
  );

test('it is a build that knows no calls', async () => {
  const all = await begin();
  expect([typeof all.peer.agent.send, typeof all.peer.agent.request]).toEqual([
    'function',
    'undefined',
  ]);
  await goOn(all);
});

describe('a former callee', () => {
  test('that replies has answered, once', async () => {
    const all = await begin((message) => message.reply(`${message.text}: fine`));
    const { world, alice, peer } = all;
    const answers = ['a', 'b', 'c'].map((text) => alice.agent.request('former', text));
    const texts = (await world.finish(Promise.all(answers))).map(({ text }) => text);
    expect(texts).toEqual(['a: fine', 'b: fine', 'c: fine']);
    expect([peer.texts, alice.texts]).toEqual([['a', 'b', 'c'], []]);
    // From now on its replies are to messages.
    const call = await world.finish(alice.agent.send('former', 'd'));
    await world.finish(call.handled);
    await settle(world);
    expect(alice.texts).toEqual(['d: fine']);
    await world.finish(peer.stop());
    await world[Symbol.asyncDispose]();
  });

  test('that replies after it was restarted has answered', async () => {
    const all = await begin((message) => message.reply('after all'));
    const { world, alice, peer } = all;
    await peer.stop();
    const call = await world.finish(alice.agent.call('former', 'x'));
    await peer.start();
    expect(await world.finish(call.answer())).toMatchObject({ text: 'after all' });
    await peer.stop();
    await world[Symbol.asyncDispose]();
  });

  test.each(['request', 'stream'] as const)('that only handles a %s is NO_REPLY', async (kind) => {
    const all = await begin();
    const { world, alice, peer } = all;
    const asked =
      kind === 'request'
        ? alice.agent.request('former', 'x')
        : alice.agent.stream('former', 'x').next();
    expect(await world.finish(failureOf(asked))).toBe('NO_REPLY');
    expect(peer.texts).toEqual(['x']);
    await goOn(all);
  });

  test('of which an operation of a contract is asked is NO_REPLY', async () => {
    const all = await begin();
    const { world, alice } = all;
    const asked = alice.agent.request('former', 'x', { op: 'research@1/summarize' });
    expect(await world.finish(failureOf(asked))).toBe('NO_REPLY');
    await goOn(all);
  });

  test('whose handler fails each time is FAILED', async () => {
    const all = await begin(async (message) => {
      if (message.text === 'x') throw new Error('no');
    });
    const { world, alice } = all;
    const call = await world.finish(alice.agent.call('former', 'x', { timeout: '1h' }));
    // Five times, then it is a dead letter there.
    expect(await world.finish(failureOf(call.answer()))).toBe('FAILED');
    await goOn(all);
  });

  test.each([
    ['before it comes', true],
    ['while it runs', false],
  ])('is told of a cancel %s in words that it skips', async (_, isAsleep) => {
    let go = (): void => {};
    const all = await begin(async (message) => {
      if (message.text === 'x') await new Promise<void>((resolve) => void (go = resolve));
    });
    const { world, alice, peer } = all;
    if (isAsleep) await peer.stop();
    const call = await world.finish(alice.agent.call('former', 'x', { timeout: '1h' }));
    await world.rest();
    await world.finish(call.cancel('enough'));
    expect(await world.finish(failureOf(call.answer()))).toBe('CANCELLED');
    if (isAsleep) await peer.start();
    await world.advance(5_000);
    go();
    await goOn(all);
  });
});

describe('a former caller', () => {
  test('that sends is replied to, and its messages wait for no request of others', async () => {
    const all = await begin();
    const { world, alice, peer } = all;
    alice.agent.onRequest(() => new Promise(() => {}));
    alice.agent.onMessage(async (message) => {
      if (message.text === 'please') await message.reply('here');
    });
    const sent = await world.finish(peer.agent.send('alice', 'please'));
    await world.finish(sent.handled);
    await settle(world);
    expect([alice.texts, peer.texts]).toEqual([['please'], ['here']]);
    await goOn(all);
  });

  test('hears of both sides in order, over restarts of either', async () => {
    const all = await begin();
    const { world, peer } = all;
    let alice: Resident = all.alice;
    const sent: string[] = [];
    for (const round of ['1', '2', '3', '4']) {
      const texts = [`${round} a`, `${round} b`];
      for (const text of texts) await world.finish(peer.agent.send('alice', text));
      sent.push(...texts);
      await settle(world);
      if (round === '2') alice = await world.finish(world.restart(alice));
      if (round === '3') {
        await peer.stop();
        await peer.start();
      }
    }
    expect([...all.alice.texts, ...alice.texts]).toEqual(sent);
    await goOn({ ...all, alice });
  });
});
