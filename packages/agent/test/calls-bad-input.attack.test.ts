/**
 * Bad input to calls and streams, as a list: what a program passes by mistake, and what a peer
 * sends on purpose. Each is a typed error, with a path where there is one, or counts for nothing;
 * nothing is lost or changed by it. Contracts have their list in `contracts.scenario`, frames of
 * parts and ends in `streams.scenario`.
 */
import { describe, expect, test } from '@jest/globals';
import { CALL_FRAME, CONTENT_KIND, encodeCallFrames, fromHex } from '@agentmesh/crypto';
import type { CallFrame } from '@agentmesh/crypto';
import { hostilePeerOf } from './hostile-peer.js';
import { leftOf, settle } from './call-points.js';
import { acquainted, rowsOf } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const nested = (depth: number): unknown =>
  Array.from({ length: depth }).reduce<unknown>((inner) => ({ inner }), 1);

/** Values that no payload has, each with where that is noticed. */
const HOSTILE: readonly (readonly [what: string, value: unknown, path: string])[] = [
  ['__proto__ as a member', JSON.parse('{"a":{"__proto__":{"x":1}}}'), '$.a'],
  ['64 deep', nested(65), '$.inner'],
  ['Infinity', { n: Infinity }, '$.n'],
  ['NaN', { n: Number.NaN }, '$.n'],
  ['a lone surrogate', { text: 'half \ud83d' }, '$.text'],
  ['a lone surrogate as a name', { 'half \ud83d': 1 }, '$'],
  ['a function', { run: () => 1 }, '$.run'],
  ['a bigint', { n: 1n }, '$.n'],
];

/** The same as another program would write it, past every check of ours. */
const HOSTILE_TEXT: readonly (readonly [what: string, json: string])[] = [
  ['__proto__ as a member', '{"a":{"__proto__":{"x":1}}}'],
  ['64 deep', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`],
  ['1e999', '{"n":1e999}'],
  ['a lone surrogate', '{"text":"half \\ud83d"}'],
  ['a member twice', '{"n":1,"n":2}'],
  ['a half text', '{"n":'],
  ['no UTF-8', '\u00ff'],
];

const quiet = ({ events }: Resident): unknown[] => [...events.stopped, ...events.handlerError];

test('T-A69 unseen-words: what a callee says of its failure reaches errors without controls', async () => {
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  bob.agent.onRequest((_, context) => {
    throw context.error('NOPE', null, { message: 'no\u001b[2J\n\u202egpj.exe\u200b' });
  });
  await expect(world.finish(alice.agent.request('bob', { text: 'x' }))).rejects.toMatchObject({
    code: 'NOPE',
    detail: 'no\\u001b[2J\\u000a\\u202egpj.exe\\u200b',
    message: expect.not.stringMatching(/[\p{Cc}\p{Cf}]/u),
  });
});

describe('what a program passes', () => {
  test.each(HOSTILE)('to request: %s', async (_, value, path) => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const before = await alice.store.rows();
    await expect(world.finish(alice.agent.request('bob', value as object))).rejects.toMatchObject({
      code: 'BAD_PAYLOAD',
      message: expect.stringContaining(path),
    });
    expect(await alice.store.rows()).toEqual(before);
    expect(await leftOf(alice, bob)).toEqual([]);
  });

  test.each(HOSTILE)('from a handler: %s', async (_, value) => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    bob.agent.onRequest(() => value as object);
    await expect(world.finish(alice.agent.request('bob', 'x'))).rejects.toMatchObject({
      code: 'INVALID_OUTPUT',
    });
    await settle(world);
    expect(await leftOf(alice, bob)).toEqual([]);
  });

  test.each(HOSTILE)('from a generator: %s', async (_, value) => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    bob.agent.onStream(async function* () {
      yield 'good';
      yield value as object as never;
    });
    const stream = alice.agent.stream('bob', 'x');
    expect(await world.finish(stream.next())).toEqual({ done: false, value: 'good' });
    await expect(world.finish(stream.next())).rejects.toMatchObject({ code: 'INVALID_OUTPUT' });
    await settle(world);
    expect(await leftOf(alice, bob)).toEqual([]);
  });

  test.each(HOSTILE)(
    'to context.once, context.progress and context.error: %s',
    async (_, value) => {
      await using world = await World.create();
      const { alice, bob } = await acquainted(world);
      const thrown: unknown[] = [];
      bob.agent.onRequest(async (_request, context) => {
        const codeOf = (error: { code?: string }): void => void thrown.push(error.code);
        await context.once('step', () => value).catch(codeOf);
        try {
          context.progress(value as never);
        } catch (error) {
          codeOf(error as { code?: string });
        }
        throw context.error('NOPE', value as never);
      });
      await expect(world.finish(alice.agent.request('bob', 'x'))).rejects.toMatchObject({
        code: 'INVALID_OUTPUT',
        message: expect.stringContaining('data of the error NOPE'),
      });
      expect(thrown).toEqual(['BAD_PAYLOAD', 'BAD_PAYLOAD']);
      await settle(world);
      expect(await leftOf(alice, bob)).toEqual([]);
    },
  );

  test.each([
    [
      'a timeout of nonsense',
      (agent: Resident['agent']) => agent.request('bob', 'x', { timeout: 'soon' as never }),
      'BAD_OPTION',
    ],
    [
      'a timeout of 30 days',
      (agent: Resident['agent']) => agent.request('bob', 'x', { timeout: '30d' }),
      'BAD_OPTION',
    ],
    [
      'an empty key',
      (agent: Resident['agent']) => agent.request('bob', 'x', { key: '' }),
      'BAD_OPTION',
    ],
    [
      'a key of 10,000 characters',
      (agent: Resident['agent']) => agent.request('bob', 'x', { key: 'k'.repeat(10_000) }),
      'BAD_OPTION',
    ],
    ['itself as the callee', (agent: Resident['agent']) => agent.request('alice', 'x'), 'BAD_PEER'],
    [
      'an id that no call has',
      (agent: Resident['agent']) => agent.callById('f'.repeat(32)),
      'UNKNOWN_CALL',
    ],
    ['an id of nonsense', (agent: Resident['agent']) => agent.callById('../call'), 'UNKNOWN_CALL'],
    [
      'a stream id that no stream has',
      async (agent: Resident['agent']) => agent.streamById('f'.repeat(32)),
      'UNKNOWN_CALL',
    ],
  ])('%s', async (_, act, code) => {
    await using world = await World.create();
    const { alice } = await acquainted(world);
    const before = await alice.store.rows();
    await expect(world.finish(Promise.resolve(act(alice.agent)))).rejects.toMatchObject({ code });
    expect(await alice.store.rows()).toEqual(before);
  });
});

describe('what a peer sends', () => {
  test.each(HOSTILE_TEXT)('as a request: %s', async (_, json) => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const { say, sayText } = await hostilePeerOf(world, alice);
    let runs = 0;
    alice.agent.onRequest(() => void (runs += 1));
    const by = world.host.clock() + 600_000;
    sayText(`{"$ask":{"by":${by},"hops":0},"value":${json}}`);
    await settle(world);
    expect(runs).toBe(0);
    expect(alice.events.refused).toMatchObject([{ code: 'BAD_CONTENT' }]);
    // What comes after it is served.
    say({ body: new TextEncoder().encode(`{"$ask":{"by":${by},"hops":0},"n":1}`), convSeq: 1 });
    await settle(world);
    expect(runs).toBe(1);
    expect([...quiet(alice), ...(await rowsOf(alice, 'inbox/', 'step/'))]).toEqual([]);
  });

  test.each(HOSTILE_TEXT)('as an answer: %s', async (_, json) => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const { sayText } = await hostilePeerOf(world, alice);
    const call = await world.finish(alice.agent.call('mallory', 'x', { timeout: '1h' }));
    sayText(`{"$replyTo":"${call.id}","$end":{"ok":true},"value":${json}}`);
    await settle(world);
    expect(call.isOpen).toBe(true);
    // A true one still counts.
    sayText(`{"$replyTo":"${call.id}","$end":{"ok":true},"value":1}`, { convSeq: 1 });
    expect(await world.finish(call.answer())).toEqual({ value: 1 });
    expect(quiet(alice)).toEqual([]);
  });

  test.each([
    ['by of nonsense', '{"by":"soon","hops":0}'],
    ['by in the far future', `{"by":${Number.MAX_SAFE_INTEGER},"hops":-1}`],
    ['hops that are no number', '{"by":1,"hops":{}}'],
    ['a list', '[]'],
    ['an operation of 10,000 characters', `{"by":1,"hops":0,"op":"${'o'.repeat(10_000)}"}`],
    ['a credit below nothing', '{"by":1,"hops":0,"stream":true,"credit":-1}'],
    ['a key that is a list', '{"by":1,"hops":0,"key":[]}'],
  ])('$ask of another shape is a plain message: %s', async (_, ask) => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const { sayText } = await hostilePeerOf(world, alice);
    let runs = 0;
    alice.agent.onRequest(() => void (runs += 1));
    sayText(`{"text":"plain","$ask":${ask}}`);
    await settle(world);
    expect([runs, alice.texts]).toEqual([0, ['plain']]);
  });

  test('an answer to a call that nobody made: orphanReply, and no handler sees it', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const { sayText } = await hostilePeerOf(world, alice);
    sayText(`{"$replyTo":"${'ab'.repeat(16)}","$end":{"ok":true},"text":"surprise"}`);
    await settle(world);
    expect(alice.texts).toEqual([]);
    expect(alice.events.orphanReply).toMatchObject([{ peer: 'mallory', replyTo: 'ab'.repeat(16) }]);
    expect(await rowsOf(alice, 'inbox/', 'call/')).toEqual([]);
  });

  test('an answer, an outcome and frames for a call to somebody else change nothing', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const { say, sayText } = await hostilePeerOf(world, alice);
    bob.agent.onRequest(() => new Promise(() => {}));
    const progress: unknown[] = [];
    const onProgress = (value: unknown): void => void progress.push(value);
    const call = await world.finish(alice.agent.call('bob', 'x', { timeout: '1h', onProgress }));
    await world.advance(5_000);
    const row = (await alice.store.rows()).get(`call/${call.id}`);
    sayText(`{"$replyTo":"${call.id}","$end":{"ok":true},"text":"mine"}`);
    const callId = fromHex(call.id);
    for (const frame of [CALL_FRAME.part, CALL_FRAME.end, CALL_FRAME.progress, CALL_FRAME.cancel]) {
      say({ kind: CONTENT_KIND.callFrames, body: encodeCallFrames([plausible(callId, frame)]) });
    }
    await settle(world);
    expect((await alice.store.rows()).get(`call/${call.id}`)).toBe(row);
    expect([call.isOpen, progress, await rowsOf(alice, 'part/')]).toEqual([true, [], []]);
    await world.finish(call.cancel());
  });

  test('a cancel and credit for a request of somebody else change nothing', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const { say } = await hostilePeerOf(world, alice);
    const go = Promise.withResolvers<object>();
    const aborted: unknown[] = [];
    alice.agent.onRequest((_request, { signal }) => {
      signal.addEventListener('abort', () => aborted.push(signal.reason));
      return go.promise;
    });
    const call = await world.finish(bob.agent.call('alice', 'x', { timeout: '1h' }));
    await world.advance(5_000);
    const callId = fromHex(call.id);
    for (const what of [CALL_FRAME.cancel, CALL_FRAME.credit, CALL_FRAME.resume]) {
      say({ kind: CONTENT_KIND.callFrames, body: encodeCallFrames([plausible(callId, what)]) });
    }
    await settle(world);
    expect(aborted).toEqual([]);
    go.resolve({ text: 'fine' });
    expect(await world.finish(call.answer())).toEqual({ text: 'fine' });
  });

  test('credit for items that were never sent gives no room, and more than 4 MiB counts as 4 MiB', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const { mallory, say } = await hostilePeerOf(world, alice);
    let made = 0;
    alice.agent.onStream(async function* () {
      for (; ; made += 10_000) yield 'x'.repeat(10_000);
    });
    const stream = mallory.agent.stream('alice', 'x', { timeout: '1h' });
    const callId = fromHex(await world.finish(stream.id));
    await world.advance(10_000);
    const before = made;
    expect(before).toBeLessThan(300_000);
    const credit = (at: number, window: number): CallFrame => {
      const data = new Uint8Array(4);
      new DataView(data.buffer).setUint32(0, window);
      return { callId, what: CALL_FRAME.credit, run: 0, at, data };
    };
    say({
      kind: CONTENT_KIND.callFrames,
      body: encodeCallFrames([credit(Number.MAX_SAFE_INTEGER, 0xffff_ffff)]),
    });
    await world.advance(10_000);
    expect(made).toBe(before);
    say({ kind: CONTENT_KIND.callFrames, body: encodeCallFrames([credit(0, 0xffff_ffff)]) });
    await world.advance(60_000);
    expect(made).toBeGreaterThan(before);
    expect(made).toBeLessThan(4.1 * 1_048_576);
    await world.finish(stream.cancel());
  });

  test.each([
    ['no frame', Uint8Array.of(0)],
    ['more frames than they are', Uint8Array.of(2)],
    ['65 frames', Uint8Array.of(65)],
    ['a frame of kind 0', frameBytes(0, 0)],
    ['an item beyond 2^53', frameBytes(CALL_FRAME.part, 2 ** 53)],
    ['bytes behind the last', Uint8Array.of(...frameBytes(CALL_FRAME.resume, 0), 1)],
  ])('a body of frames with %s is refused whole', async (_, body) => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const { say, sayText } = await hostilePeerOf(world, alice);
    say({ kind: CONTENT_KIND.callFrames, body });
    await settle(world);
    expect(alice.events.refused).toMatchObject([{ code: 'BAD_CONTENT' }]);
    sayText('{"text":"after"}', { convSeq: 1 });
    await settle(world);
    expect([alice.texts, quiet(alice)]).toEqual([['after'], []]);
  });

  test('a frame of a later version is skipped, and a run that goes back means nothing', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const { say } = await hostilePeerOf(world, alice);
    const stream = alice.agent.stream('mallory', 'x', { timeout: '1h' });
    const callId = fromHex(await world.finish(stream.id));
    const part = (run: number, at: number): CallFrame => ({
      ...plausible(callId, CALL_FRAME.part),
      run,
      at,
    });
    const later = { callId, what: 200, run: 0, at: 0, data: Uint8Array.of(1, 2, 3) };
    say({ kind: CONTENT_KIND.callFrames, body: encodeCallFrames([later, part(9, 0), part(1, 1)]) });
    expect(await world.finish(stream.next())).toEqual({ done: false, value: 'item' });
    expect(await world.finish(stream.next())).toEqual({ done: false, value: 'item' });
    await world.finish(stream.cancel());
  });
});

/** A frame that would mean something where it belongs. */
function plausible(callId: Uint8Array, what: number): CallFrame {
  const json = (text: string): Uint8Array => new TextEncoder().encode(text);
  const data: Readonly<Record<number, Uint8Array>> = {
    [CALL_FRAME.part]: Uint8Array.of(1, ...json('["item"]')),
    [CALL_FRAME.end]: Uint8Array.of(...new Uint8Array(32), ...json('{"$end":{"ok":true}}')),
    [CALL_FRAME.credit]: Uint8Array.of(0, 0, 0, 0),
    [CALL_FRAME.progress]: json('{"value":1}'),
  };
  return { callId, what, run: 1, at: 0, data: data[what] ?? new Uint8Array() };
}

/** One frame without data, past the checks of the encoder. */
function frameBytes(what: number, at: number): Uint8Array {
  const bytes = new Uint8Array(1 + 16 + 1 + 4 + 8 + 4);
  bytes[0] = 1;
  bytes[17] = what;
  new DataView(bytes.buffer).setBigUint64(22, BigInt(at));
  return bytes;
}
