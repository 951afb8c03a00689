/**
 * What a handler carries into what it sends (protocol.md §2.22), and the end of circles of agents
 * that answer each other.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { decodePayload } from '@agentmesh/protocol';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import type { Message } from '../src/index.js';
import { messageBody, readPayload } from '../src/message/payload.js';
import { wayMember, wayOf } from '../src/message/way.js';
import type { Way } from '../src/message/way.js';
import { envelopeTo, forgerTo } from './forger.js';
import { pair } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** Every message of both is answered. */
function answering({ agent, texts }: Resident, answer: (message: Message) => Promise<unknown>) {
  agent.onMessage(async (message) => {
    texts.push(message.text);
    await answer(message);
  });
}

const REFUSED = { code: 'REFUSED', detail: expect.stringMatching(/^LOOP/) };

describe('agents that answer each other', () => {
  test.each([
    ['msg.reply', (message: Message) => message.reply('thank you')],
    ['send', (message: Message, { agent }: Resident) => agent.send(message.sender, 'thank you')],
  ])(
    'by %s end after 8 hops: nothing is tried again, and nothing is a dead letter',
    async (_, go) => {
      await using world = await World.create();
      const { alice, bob } = await pair(world);
      for (const each of [alice, bob]) answering(each, (message) => go(message, each));
      await world.finish(alice.agent.send('bob', 'hello'));
      await world.advance(60_000);
      expect(alice.texts.length + bob.texts.length).toBe(AGENT_LIMITS.hops + 1);
      for (const { agent, events } of [alice, bob]) {
        expect(await agent.deadLetters()).toEqual([]);
        expect((await agent.status()).inbox).toBe(0);
        expect(events.handlerError.every(({ deadLettered }) => !deadLettered)).toBe(true);
      }
      const ends = [...alice.events.outgoing, ...bob.events.outgoing];
      expect(ends.filter(({ state }) => state === 'refused')).toMatchObject([
        { reason: expect.stringMatching(/^LOOP/) },
      ]);
    },
  );

  test('in a circle of three end too', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const carol = await world.agentWithoutHandler('carol');
    const next = new Map([
      ['alice', 'bob'],
      ['bob', 'carol'],
      ['carol', 'alice'],
    ]);
    const all = [alice, bob, carol];
    for (const each of all) {
      answering(each, () => each.agent.send(next.get(each.name) ?? '', 'pass it on'));
    }
    await world.finish(alice.agent.send('bob', 'begin'));
    await world.advance(60_000);
    expect(all.reduce((sum, { texts }) => sum + texts.length, 0)).toBe(AGENT_LIMITS.hops + 1);
  });

  test('and one that writes to itself ends as well', async () => {
    await using world = await World.create();
    const { alice } = await pair(world);
    answering(alice, () => alice.agent.send('alice', 'again'));
    await world.finish(alice.agent.send('alice', 'begin'));
    await world.advance(60_000);
    expect(alice.texts).toHaveLength(AGENT_LIMITS.hops + 1);
  });

  test('in loops over messages are counted like handlers', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const codes: string[] = [];
    const loop = async ({ agent, texts }: Resident): Promise<void> => {
      for await (const message of agent.messages()) {
        texts.push(message.text);
        await agent.send(message.sender, 'thank you').catch((error: { code: string }) => {
          codes.push(error.code);
        });
      }
    };
    const loops = [loop(alice), loop(bob)];
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.advance(60_000);
    expect(alice.texts.length + bob.texts.length).toBe(AGENT_LIMITS.hops + 1);
    expect(codes).toEqual(['LOOP']);
    await world.close(alice);
    await world.close(bob);
    await Promise.all(loops);
  });

  test('go on where a person has written the answer: auto: false begins anew', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    for (const each of [alice, bob]) {
      answering(each, async (message) => {
        if (alice.texts.length + bob.texts.length < 30) await message.reply('ok', { auto: false });
      });
    }
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.advance(120_000);
    expect(alice.texts.length + bob.texts.length).toBe(30);
  });

  test('a message with 9 hops is refused before any handler sees it, and a request too', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    let asked = 0;
    alice.agent.onRequest(() => void (asked += 1));
    const mallory = await world.agentWithoutHandler('mallory');
    await world.finish(mallory.agent.send('alice', 'hello'));
    await world.rest();
    const sentAtMs = world.host.clock();
    const forger = forgerTo(world, mallory, 'alice');
    const by = sentAtMs + 60_000;
    for (const text of [
      '{"text":"nine","$way":{"hops":9}}',
      '{"text":"eight","$way":{"hops":8}}',
      `{"text":"asks","$ask":{"by":${by},"hops":9}}`,
    ]) {
      const body = new TextEncoder().encode(text);
      const wire = forger.say({ body, fromName: 'mallory', toName: 'alice', sentAtMs });
      world.hub.inject('alice', envelopeTo(alice, forger.aid, wire));
    }
    await world.advance(10_000);
    expect(alice.texts).toEqual(['hello', 'eight']);
    expect(asked).toBe(0);
    const refused = mallory.events.outgoing.filter(({ state }) => state === 'refused');
    expect(refused).toMatchObject([{ reason: expect.stringMatching(/^LOOP/) }]);
  });

  test('a message that led to 8 others is refused before it is sent', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const { handled } = await world.finish(alice.agent.send('bob', 'hello'));
    const sent = world.hub.passed.sent.length;
    const table = AGENT_LIMITS as { hops: number };
    const { hops } = table;
    table.hops = 0;
    try {
      answering(bob, (message) => message.reply('no'));
      await expect(world.finish(handled)).rejects.toMatchObject(REFUSED);
    } finally {
      table.hops = hops;
    }
    // Only the outcome left.
    await world.advance(5_000);
    expect(world.hub.passed.sent.slice(sent).filter(({ by }) => by === 'bob')).toHaveLength(1);
  });
});

describe('the way of a message', () => {
  test('begins at who wrote first, and says how many led to it', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const carol = await world.agent('carol');
    answering(bob, () => bob.agent.send('carol', 'passed on'));
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.advance(5_000);
    const origin = alice.agent.address;
    expect(carol.messages[0]?.provenance.claimed).toEqual({ hops: 1, origin });
    await world.finish(carol.agent.send('carol', 'my own'));
    await world.rest();
    expect(carol.messages[1]?.provenance.claimed).toEqual({ hops: null, origin: null });
  });

  test('goes on from messages to requests and streams, and out of the generator of a stream', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const carol = await world.agentWithoutHandler('carol');
    const seen: { hops: number; origin: string | null; auto: boolean }[] = [];
    carol.agent.use(({ hops, origin, auto }, next) => {
      seen.push({ hops, origin, auto });
      return next();
    });
    carol.agent.onRequest(() => ({ text: 'yes' }));
    bob.agent.onMessage(async () => void (await bob.agent.request('carol', 'from a handler')));
    bob.agent.onStream(async function* () {
      yield 'first';
      await bob.agent.request('carol', 'from a generator');
      yield 'second';
      return null;
    });
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.advance(5_000);
    const stream = alice.agent.stream('bob', 'x');
    const reading = (async () => {
      for await (const chunk of stream) void chunk;
    })();
    await world.finish(reading);
    const origin = alice.agent.address;
    expect(seen).toEqual([
      { hops: 1, origin, auto: true },
      { hops: 1, origin, auto: true },
    ]);
  });

  test('ends with the loop that had it: what follows belongs to no message', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const carol = await world.agent('carol');
    const reading = (async () => {
      for await (const message of bob.agent.messages()) {
        await bob.agent.send('carol', 'in the loop');
        message.done();
        break;
      }
      await bob.agent.send('carol', 'after it');
    })();
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.finish(reading);
    await world.advance(5_000);
    const seen = carol.messages.map(({ text, provenance }) => [text, provenance.claimed.hops]);
    expect(seen).toEqual([
      ['in the loop', 1],
      ['after it', null],
    ]);
  });

  test('is not told of what nothing led to: such a message is as it was', async () => {
    await using world = await World.create();
    const { alice } = await pair(world);
    const bob = await world.agent('carol');
    await world.finish(alice.agent.send('carol', 'hello'));
    await world.advance(2_000);
    const text = new TextDecoder().decode(messageBody('hello', null, wayMember(wayOf({}))));
    expect(text).toBe('{"type":"message","text":"hello"}');
    expect(bob.texts).toEqual(['hello']);
  });

  const file = new URL('../vectors/way.json', import.meta.url);
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly written: readonly { payload: string; way: Way }[];
    readonly read: readonly { what: string; payload: string; way: Way }[];
  };

  test.each(vectors.written)('is written as published: $payload', ({ payload, way }) => {
    const decoded = decodePayload(new TextEncoder().encode(payload));
    expect(wayOf(decoded)).toEqual(way);
    expect(new TextDecoder().decode(messageBody('x', null, wayMember(way)))).toBe(payload);
    // A version that does not know the member skips it.
    expect(readPayload(decoded).payload).toEqual({ type: 'message', text: 'x' });
  });

  test.each(vectors.read)('is read as published: $what', ({ payload, way }) => {
    expect(wayOf(decodePayload(new TextEncoder().encode(payload)))).toEqual(way);
  });
});
