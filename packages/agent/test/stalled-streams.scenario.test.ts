/**
 * Streams whose consumer does not read, or says nonsense of what it has read (protocol.md §2.19):
 * their producer waits within its credit, nobody else waits for them, and they end at their
 * deadline, by a cancel or with the agent. One story per test.
 */
import { describe, expect, test } from '@jest/globals';
import { CALL_FRAME, CONTENT_KIND, encodeCallFrames, fromHex } from '@agentmesh/crypto';
import type { CallFrame } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { leftOf, settle } from './call-points.js';
import { hostilePeerOf } from './hostile-peer.js';
import { acquainted } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const KIB = 1_024;
const WINDOW = 256 * KIB;
const HIGHEST_WINDOW = 4_096 * KIB;
const CHUNK = 10_000;
const ID = 'ab'.repeat(16);

/** Serves chunks without end, and remembers what became of each run. */
function endless({ agent }: Resident, concurrency = 16) {
  const seen = { made: 0, running: 0, reasons: [] as unknown[], deadlines: [] as Date[] };
  agent.onStream(
    async function* (_, { signal, deadline }) {
      seen.running += 1;
      seen.deadlines.push(deadline);
      signal.addEventListener('abort', () => void seen.reasons.push(signal.reason));
      try {
        for (; ; seen.made += CHUNK) yield 'x'.repeat(CHUNK);
      } finally {
        seen.running -= 1;
      }
    },
    { concurrency },
  );
  return seen;
}

const askOf = (world: World, ask: object): string => {
  const $ask = { by: world.host.clock() + 600_000, hops: 0, stream: true, ...ask };
  return JSON.stringify({ text: 'x', $ask });
};

function creditOf(at: number, window: number, id = ID): CallFrame {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, window);
  return { callId: fromHex(id), what: CALL_FRAME.credit, run: 0, at, data };
}

async function readAll<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

const troubles = ({ events }: Resident): unknown[] => [
  ...events.stopped,
  ...events.handlerError,
  ...events.refused,
];

describe('a consumer that never grants credit', () => {
  test.each([
    ['its first window', WINDOW, WINDOW],
    ['no window', 0, CHUNK],
    ['4 GiB', 0xffff_ffff, HIGHEST_WINDOW],
  ])(
    'costs the producer what it offered at first, %s, until its deadline',
    async (_, credit, most) => {
      await using world = await World.create();
      const alice = await world.agentWithoutHandler('alice');
      const seen = endless(alice);
      const { sayText } = await hostilePeerOf(world, alice);
      sayText(askOf(world, { credit }), { msgId: fromHex(ID) });
      await world.advance(300_000);
      expect(seen.running).toBe(1);
      expect(seen.made).toBeLessThanOrEqual(most + CHUNK);
      const { made } = seen;
      await world.advance(300_000);
      expect(seen).toMatchObject({ made, running: 0, reasons: [{ code: 'DEADLINE' }] });
      await settle(world);
      expect([...(await leftOf(alice)), ...troubles(alice)]).toEqual([]);
    },
  );

  test('is told nothing more once it cancels, and its generator ends', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const seen = endless(alice);
    const { say, sayText } = await hostilePeerOf(world, alice);
    sayText(askOf(world, { credit: WINDOW }), { msgId: fromHex(ID) });
    await world.advance(10_000);
    const cancel = { callId: fromHex(ID), what: CALL_FRAME.cancel, run: 0, at: 0 };
    const body = encodeCallFrames([{ ...cancel, data: new Uint8Array() }]);
    say({ kind: CONTENT_KIND.callFrames, body, convSeq: 2 });
    await settle(world);
    expect(seen).toMatchObject({ running: 0, reasons: [{ code: 'CANCELLED' }] });
    expect([...(await leftOf(alice)), ...troubles(alice)]).toEqual([]);
  });

  test('and names the end of all time is given up after 29 days', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const seen = endless(alice);
    const { sayText } = await hostilePeerOf(world, alice);
    const ask = { by: Number.MAX_SAFE_INTEGER, credit: WINDOW };
    sayText(askOf(world, ask), { msgId: fromHex(ID) });
    await world.advance(10_000);
    const longest = world.host.clock() + AGENT_LIMITS.callMs;
    expect(seen.deadlines).toHaveLength(1);
    expect(seen.deadlines[0]?.getTime()).toBeLessThanOrEqual(longest);
    await world.jump(AGENT_LIMITS.callMs);
    await settle(world);
    expect(seen).toMatchObject({ running: 0, reasons: [{ code: 'DEADLINE' }] });
    expect(await leftOf(alice)).toEqual([]);
  });

  test('keeps no agent from being closed; the stream waits in its next run as before', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const seen = endless(alice);
    const { sayText } = await hostilePeerOf(world, alice);
    sayText(askOf(world, { credit: WINDOW }), { msgId: fromHex(ID) });
    await world.advance(10_000);
    const beganMs = world.host.clock();
    await world.close(alice);
    // Handlers that work are waited for; nobody knows when the reader comes.
    expect(world.host.clock() - beganMs).toBeLessThan(AGENT_LIMITS.drainMs);
    expect(seen).toMatchObject({ running: 0, reasons: [{ code: 'CLOSED' }] });
    const again = await world.agentWithoutHandler('alice', {}, alice);
    const later = endless(again);
    await world.advance(600_000);
    expect(later).toMatchObject({ running: 0 });
    await settle(world);
    expect(await leftOf(again)).toEqual([]);
  });
});

describe('credit that is absurd', () => {
  test.each<[string, readonly CallFrame[], number]>([
    ['for chunks that were never sent', [creditOf(2 ** 53 - 1, 0xffff_ffff)], WINDOW],
    ['a window of 4 GiB', [creditOf(0, 0xffff_ffff)], HIGHEST_WINDOW],
    ['no window any more', [creditOf(1, 0), creditOf(0, 0)], WINDOW + CHUNK],
    ['64 times the same', Array.from({ length: 64 }, () => creditOf(1, WINDOW)), WINDOW + CHUNK],
    ['that goes back', [creditOf(5, WINDOW), creditOf(1, WINDOW)], WINDOW + 5 * CHUNK],
    ['for a call that nobody has', [creditOf(5, WINDOW, 'cd'.repeat(16))], WINDOW],
  ])('%s: the producer goes on within 4 MiB, and others are answered', async (_, frames, most) => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const bob = await world.agentWithoutHandler('bob');
    const seen = endless(alice);
    alice.agent.onRequest(() => ({ text: 'fine' }));
    const { say, sayText } = await hostilePeerOf(world, alice);
    sayText(askOf(world, { credit: WINDOW }), { msgId: fromHex(ID) });
    await world.advance(10_000);
    say({ kind: CONTENT_KIND.callFrames, body: encodeCallFrames(frames), convSeq: 2 });
    await world.advance(60_000);
    expect(seen.made).toBeGreaterThan(WINDOW - 2 * CHUNK);
    expect(seen.made).toBeLessThanOrEqual(most + CHUNK);
    expect(await world.finish(bob.agent.request('alice', 'x'))).toEqual({ text: 'fine' });
    await world.advance(600_000);
    expect(seen).toMatchObject({ running: 0, reasons: [{ code: 'DEADLINE' }] });
    expect([...(await leftOf(alice)), ...troubles(alice)]).toEqual([]);
  });
});

describe('T-A81 unread-streams', () => {
  test.each([1, 16])(
    'a crowd of them holds no place of a handler: others are served, %i at once',
    async (concurrency) => {
      await using world = await World.create();
      const alice = await world.agentWithoutHandler('alice');
      const mallory = await world.agentWithoutHandler('mallory');
      const bob = await world.agentWithoutHandler('bob');
      const seen = endless(alice, concurrency);
      alice.agent.onRequest(() => ({ text: 'fine' }), { concurrency });
      const unread = Array.from({ length: 3 * concurrency }, () =>
        mallory.agent.stream('alice', 'x'),
      );
      await world.advance(60_000);
      // No more of one caller have begun than there are places.
      expect(seen.running).toBe(concurrency);
      const beganMs = world.host.clock();
      const stream = bob.agent.stream('alice', 'x');
      for (let n = 0; n < 40; n++) await world.finish(stream.next());
      expect(await world.finish(bob.agent.request('alice', 'x'))).toEqual({ text: 'fine' });
      expect(await world.finish(mallory.agent.request('alice', 'x'))).toEqual({ text: 'fine' });
      expect(world.host.clock() - beganMs).toBeLessThan(120_000);
      await world.finish(stream.cancel());
      for (const each of unread) await world.finish(each.cancel());
      await settle(world);
      expect(seen.running).toBe(0);
      expect([...(await leftOf(alice, bob, mallory)), ...troubles(alice)]).toEqual([]);
    },
  );

  test('one that is read at last goes on when there is a place, never beside another', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const carol = await world.agentWithoutHandler('carol');
    const gate = Promise.withResolvers<void>();
    let [at, most] = [0, 0];
    const work = async (task: Promise<void> | null): Promise<void> => {
      most = Math.max(most, (at += 1));
      await task;
      at -= 1;
    };
    alice.agent.onStream(
      async function* ({ text }) {
        for (let n = 0; n < 60; n++) {
          await work(text === 'other' && n === 0 ? gate.promise : Promise.resolve());
          yield 'x'.repeat(CHUNK);
        }
        return text;
      },
      { concurrency: 1 },
    );
    const stalled = bob.agent.stream('alice', 'stalled');
    await world.finish(stalled.id);
    await world.advance(10_000);
    const other = carol.agent.stream('alice', 'other');
    await world.finish(other.id);
    await world.advance(10_000);
    const reading = readAll(stalled);
    const others = readAll(other);
    await world.advance(10_000);
    gate.resolve();
    expect(await world.finish(reading)).toHaveLength(60);
    expect(await world.finish(others)).toHaveLength(60);
    expect([await stalled.result, await other.result, most]).toEqual(['stalled', 'other', 1]);
  });

  test('one whose time is over while it waits for a place ends at once', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const carol = await world.agentWithoutHandler('carol');
    const reasons: unknown[] = [];
    let runs = 0;
    alice.agent.onStream(
      async function* ({ text }, { signal }) {
        runs += 1;
        signal.addEventListener('abort', () => void reasons.push([text, signal.reason.code]));
        if (text === 'hangs') await new Promise(() => {});
        for (;;) yield 'x'.repeat(CHUNK);
      },
      { concurrency: 1 },
    );
    const stalled = bob.agent.stream('alice', 'stalled', { timeout: '1m' });
    await world.finish(stalled.id);
    await world.advance(10_000);
    const hangs = carol.agent.stream('alice', 'hangs', { timeout: '1h' });
    await world.finish(hangs.id);
    await world.advance(10_000);
    for (let n = 0; n < 20; n++) await world.finish(stalled.next());
    await world.advance(60_000);
    expect(reasons).toEqual([['stalled', 'DEADLINE']]);
    await world.finish(hangs.cancel());
    await settle(world);
    // The place is there again, and it is one.
    const [next, last] = ['next', 'last'].map((text) => bob.agent.stream('alice', text));
    await world.finish(next!.next());
    expect(runs).toBe(3);
    for (const each of [next, last]) await world.finish(each!.cancel());
    await settle(world);
    expect(await leftOf(alice, carol)).toEqual([]);
  });
});

describe('chunks of a byte', () => {
  test('that nobody reads are few enough to be found after a restart, all of them', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    let made = 0;
    bob.agent.onStream(async function* () {
      for (; made < 12_000; made++) yield Uint8Array.of(made);
      return 'all';
    });
    const stream = alice.agent.stream('bob', 'x');
    const id = await world.finish(stream.id);
    await world.advance(60_000);
    expect(made).toBeLessThan(5_000);
    await world.close(alice);
    const again = await world.agentWithoutHandler('alice', {}, alice);
    const found = again.agent.streamById(id);
    const chunks = await world.finish(readAll(found));
    expect(chunks).toEqual(Array.from({ length: 12_000 }, (_, n) => Uint8Array.of(n)));
    expect(await found.result).toBe('all');
    await settle(world);
    expect(await leftOf(again, bob)).toEqual([]);
  });

  test('beyond all that a window holds break their stream, and leave nothing', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const { say } = await hostilePeerOf(world, alice);
    const stream = alice.agent.stream('mallory', 'x', { timeout: '1h' });
    const callId = fromHex(await world.finish(stream.id));
    const data = Uint8Array.of(2, 0);
    for (let at = 0; at < 12_000; at += 64) {
      const frames = Array.from({ length: 64 }, (_, n) => ({ at: at + n, data }));
      const parts = frames.map((one) => ({ callId, what: CALL_FRAME.part, run: 1, ...one }));
      say({ kind: CONTENT_KIND.callFrames, body: encodeCallFrames(parts) });
      await world.rest();
    }
    await expect(world.finish(stream.next())).rejects.toMatchObject({ code: 'STREAM_BROKEN' });
    await settle(world);
    expect(await leftOf(alice)).toEqual([]);
  });
});

test('a handler of 1,200 steps leaves none of them', async () => {
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  bob.agent.onRequest(async (_, context) => {
    for (let n = 0; n < 1_200; n++) await context.once(`step ${n}`, () => n);
  });
  await world.finish(alice.agent.request('bob', 'x', { timeout: '1h' }));
  await settle(world);
  expect(await leftOf(alice, bob)).toEqual([]);
});

test('each handler has its own places: one at once stays one beside handlers of many', async () => {
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  let [at, most] = [0, 0];
  bob.agent.onStream(async function* () {});
  bob.agent.onRequest(
    async () => {
      most = Math.max(most, (at += 1));
      await new Promise((resolve) => void world.runtime().schedule(100, () => resolve(null)));
      at -= 1;
    },
    { concurrency: 1 },
  );
  const asking = Array.from({ length: 5 }, () => alice.agent.request('bob', 'x'));
  await world.finish(Promise.all(asking));
  expect(most).toBe(1);
});
