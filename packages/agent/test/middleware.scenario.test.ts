/**
 * Middleware (docs/requests.md): layers around handlers and around sending, and the three that come
 * with the agent.
 */
import { describe, expect, test } from '@jest/globals';
import { AgentError, log, rateLimit, requireTrust } from '../src/index.js';
import type { IncomingContext, Logger, OutgoingContext } from '../src/index.js';
import { World } from './world.js';
import type { Resident } from './world.js';

async function pair(world: World) {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  return { alice, bob };
}

const endOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: { code?: string; detail?: string }) => `${error.code}: ${error.detail ?? ''}`,
  );

/** What became of a message at its recipient. */
async function fateOf(world: World, { agent }: Resident, to: string, text: string) {
  const { handled } = await world.finish(agent.send(to, text));
  return world.finish(endOf(handled.then(() => 'handled')));
}

describe('around handlers', () => {
  test('layers run from the outside in and back, around every handler of a message', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const steps: string[] = [];
    bob.agent.onMessage(() => void steps.push('handler'));
    const layer =
      (name: string) => async (_context: IncomingContext, next: () => Promise<unknown>) => {
        steps.push(`${name} in`);
        await next();
        steps.push(`${name} out`);
      };
    bob.agent.use(layer('first'));
    const remove = bob.agent.use(layer('second'));
    expect(await fateOf(world, alice, 'bob', 'one')).toBe('handled');
    expect(steps).toEqual(['first in', 'second in', 'handler', 'second out', 'first out']);
    expect(bob.texts).toEqual(['one']);
    remove();
    steps.length = 0;
    await fateOf(world, alice, 'bob', 'two');
    expect(steps).toEqual(['first in', 'handler', 'first out']);
  });

  test('the context says what came, from whom, and how', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const seen: IncomingContext[] = [];
    bob.agent.use((context, next) => {
      seen.push(context);
      return next();
    });
    bob.agent.onRequest(() => ({ text: 'yes' }));
    bob.agent.onStream(async function* () {
      yield await Promise.resolve(1);
      return 2;
    });
    await fateOf(world, alice, 'bob', 'hello');
    await world.finish(alice.agent.request('bob', 'a question', { timeout: '20s' }));
    const stream = alice.agent.stream('bob', 'a stream');
    await world.finish(stream.next());
    await world.finish(stream.next());
    expect(seen.map(({ kind }) => kind)).toEqual(['message', 'request', 'stream']);
    const [message, request] = seen as [IncomingContext, IncomingContext];
    expect(message).toMatchObject({ direction: 'incoming', op: null, attempt: 1, deadline: null });
    expect(message).toMatchObject({ hops: 0, origin: null, auto: false });
    expect(message.message.text).toBe('hello');
    expect(message.peer).toMatchObject({ name: 'alice', address: alice.agent.address });
    expect(request.deadline?.getTime()).toBeGreaterThan(world.host.clock() - 20_000);
    expect(request.origin).toBe(alice.agent.address);
    expect(request.signal.aborted).toBe(false);
    expect(request.elapsedMs).toBeGreaterThanOrEqual(0);
  });

  test('what a layer throws means what it means in a handler', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(() => ({ text: 'never' }));
    let failures = 0;
    bob.agent.use(async (context, next) => {
      const { message, kind } = context;
      if (message.text === 'refused') throw new AgentError('REFUSED', 'not today');
      if (message.text === 'twice' && failures++ < 1) throw new TypeError('a bug');
      if (kind === 'request')
        throw context.error('PAYWALL', { price: 3 }, { message: 'pay first' });
      return next();
    });
    expect(await fateOf(world, alice, 'bob', 'refused')).toBe('REFUSED: not today');
    expect(await fateOf(world, alice, 'bob', 'twice')).toBe('handled');
    expect(bob.events.handlerError).toMatchObject([{ attempt: 1, deadLettered: false }]);
    const asking = alice.agent.request('bob', 'answer me');
    await expect(world.finish(asking)).rejects.toMatchObject({
      code: 'PAYWALL',
      data: { price: 3 },
    });
    expect(bob.texts).toEqual(['twice']);
  });

  test('a layer that does not call next keeps the handlers from running, and may answer itself', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    let ran = 0;
    bob.agent.onRequest(() => ({ n: (ran += 1) }));
    const remove = bob.agent.use(({ kind }) => (kind === 'request' ? { cached: true } : undefined));
    expect(await fateOf(world, alice, 'bob', 'dropped')).toBe('handled');
    expect(await world.finish(alice.agent.request('bob', 'x'))).toEqual({ cached: true });
    remove();
    bob.agent.use(async (_context, next) => ({ ...((await next()) as object), signed: true }));
    expect(await world.finish(alice.agent.request('bob', 'x'))).toEqual({ n: 1, signed: true });
    expect([bob.texts, ran]).toEqual([[], 1]);
  });

  test('an error of a handler is not lost in a layer that does not wait; one that is caught is dealt with', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    let failures = 0;
    bob.agent.onMessage(() => {
      failures += 1;
      if (failures < 3) throw new TypeError('not yet');
    });
    const remove = bob.agent.use((_context, next) => void next());
    expect(await fateOf(world, alice, 'bob', 'again')).toBe('handled');
    expect(failures).toBe(3);
    remove();
    failures = 0;
    bob.agent.use(async (_context, next) => {
      await next().catch(() => undefined);
    });
    expect(await fateOf(world, alice, 'bob', 'caught')).toBe('handled');
    expect(failures).toBe(1);
  });

  test('next a second time is NEXT_TWICE: handlers run once', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    let ran = 0;
    bob.agent.onRequest(() => ({ n: (ran += 1) }));
    bob.agent.use(async (_context, next) => {
      await next();
      return next();
    });
    await expect(world.finish(alice.agent.request('bob', 'x'))).rejects.toMatchObject({
      code: 'NEXT_TWICE',
    });
    expect(ran).toBe(1);
  });

  test('a layer that hangs keeps nobody but its own message waiting, and is told of', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const carol = await world.agent('carol');
    bob.agent.use(({ message }, next) =>
      message.text === 'hang' ? new Promise(() => {}) : next(),
    );
    await world.finish(alice.agent.send('bob', 'hang'));
    expect(await fateOf(world, carol, 'bob', 'hello')).toBe('handled');
    await world.advance(61_000);
    expect(bob.events.handlerSlow).toMatchObject([{ attempt: 1 }]);
  });

  test.each([[undefined], [null], ['log'], [{}]])('%p is no middleware', async (layer) => {
    await using world = await World.create();
    const { bob } = await pair(world);
    const refused = expect.objectContaining({ code: 'BAD_OPTION' });
    expect(() => bob.agent.use(layer as never)).toThrow(refused);
    expect(() => bob.agent.outgoing.use(layer as never)).toThrow(refused);
  });
});

describe('around sending', () => {
  test('sees messages, replies, requests and streams, and may change what is sent', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(({ text }) => ({ text }));
    bob.agent.onStream(async function* ({ text }) {
      yield await Promise.resolve(text);
      return null;
    });
    bob.agent.onMessage(async (message) => void (await message.reply('noted')));
    const seen: string[] = [];
    const note = ({ kind, peer, auto }: OutgoingContext): void =>
      void seen.push(`${kind} ${peer} ${auto ? 'auto' : ''}`.trim());
    for (const { agent } of [alice, bob]) {
      agent.outgoing.use(async (context, next) => {
        note(context);
        const { payload } = context;
        if (payload === 'secret') context.payload = 'redacted';
        await next();
      });
    }
    await fateOf(world, alice, 'bob', 'secret');
    expect(await world.finish(alice.agent.request('bob', 'secret'))).toEqual({ text: 'redacted' });
    const chunks: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of alice.agent.stream('bob', 'secret')) chunks.push(chunk);
    })();
    await world.finish(reading);
    expect([bob.texts, chunks]).toEqual([['redacted'], ['redacted']]);
    expect(seen).toEqual(['message bob', 'reply alice auto', 'request bob', 'stream bob']);
  });

  test('a layer that throws, or that does not call next, keeps the message from being sent', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    alice.agent.outgoing.use(({ payload }, next) => {
      if (payload === 'thrown') throw new AgentError('REFUSED', 'not out of here');
      return payload === 'kept' ? undefined : next();
    });
    expect(await endOf(alice.agent.send('bob', 'thrown'))).toBe('REFUSED: not out of here');
    expect(await endOf(alice.agent.send('bob', 'kept'))).toBe('NOT_SENT: ');
    expect(await endOf(alice.agent.request('bob', 'kept'))).toBe('NOT_SENT: ');
    expect(await endOf(alice.agent.stream('bob', 'kept').result)).toBe('NOT_SENT: ');
    expect(await fateOf(world, alice, 'bob', 'passed')).toBe('handled');
    expect(bob.texts).toEqual(['passed']);
    expect(await alice.agent.calls()).toEqual([]);
  });
});

describe('requireTrust', () => {
  test('refuses messages and requests of peers that are not established as far', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    bob.agent.onRequest(() => ({ text: 'secret' }));
    const remove = bob.agent.use(requireTrust('pinned'));
    expect(await fateOf(world, alice, 'bob', 'first')).toBe('REFUSED: this is for pinned peers');
    expect(await fateOf(world, alice, 'bob', 'second')).toBe('handled');
    remove();
    bob.agent.use(requireTrust('verified'));
    const asking = alice.agent.request('bob', 'x');
    await expect(world.finish(asking)).rejects.toMatchObject({ code: 'REFUSED' });
    await bob.agent.trust('alice', alice.agent.fingerprint);
    expect(await world.finish(alice.agent.request('bob', 'x'))).toEqual({ text: 'secret' });
    expect(bob.texts).toEqual(['second']);
  });

  test('knows two levels', () => {
    expect(() => requireTrust('anyone' as never)).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION' }),
    );
  });
});

describe('rateLimit', () => {
  test('bounds each peer by itself, and lets it go on when its time has come', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    const carol = await world.agent('carol');
    bob.agent.onRequest(() => ({ text: 'yes' }));
    bob.agent.use(rateLimit({ messages: 2, per: '1h' }));
    expect(await fateOf(world, alice, 'bob', 'one')).toBe('handled');
    expect(await world.finish(alice.agent.request('bob', 'x'))).toEqual({ text: 'yes' });
    expect(await fateOf(world, alice, 'bob', 'three')).toMatch(/^REFUSED: rate limit: at most 2/);
    await expect(world.finish(alice.agent.request('bob', 'x'))).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      retryable: true,
      data: { retryAfterMs: expect.any(Number) },
    });
    expect(await fateOf(world, carol, 'bob', 'hello')).toBe('handled');
    await world.advance(30 * 60_000);
    expect(await fateOf(world, alice, 'bob', 'four')).toBe('handled');
    expect(bob.texts).toEqual(['one', 'hello', 'four']);
  });

  test('bounds what leaves', async () => {
    await using world = await World.create();
    const { alice, bob } = await pair(world);
    alice.agent.outgoing.use(rateLimit({ messages: 1, per: '1h' }));
    await world.finish(alice.agent.send('bob', 'one'));
    await expect(alice.agent.send('bob', 'two')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await world.advance(5_000);
    expect(bob.texts).toEqual(['one']);
  });

  test.each([0, -1, 1.5, NaN, '3'])('%p messages is BAD_OPTION', (messages) => {
    expect(() => rateLimit({ messages: messages as number })).toThrow(
      expect.objectContaining({ code: 'BAD_OPTION' }),
    );
  });
});

test('log writes who, what and how long, and nothing of the content', async () => {
  await using world = await World.create();
  const { alice, bob } = await pair(world);
  const lines: string[] = [];
  const write =
    (level: string): Logger['info'] =>
    (message, fields) =>
      void lines.push(JSON.stringify({ level, message, ...fields }));
  const logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
  bob.agent.use(log(logger));
  alice.agent.outgoing.use(log(logger));
  bob.agent.onRequest(() => {
    throw new TypeError('a secret of the handler');
  });
  await fateOf(world, alice, 'bob', 'a secret of the message');
  await expect(world.finish(alice.agent.request('bob', 'another secret'))).rejects.toMatchObject({
    code: 'FAILED',
  });
  const written = lines.map((line) => JSON.parse(line) as object);
  for (const line of [
    { level: 'info', message: 'incoming message', peer: 'alice', hops: 0, attempt: 1 },
    { level: 'info', message: 'outgoing message', peer: 'bob', op: null, auto: false },
    { level: 'info', message: 'outgoing request', peer: 'bob' },
    { level: 'warn', message: 'incoming request failed', error: 'TypeError' },
  ]) {
    expect(written).toContainEqual(expect.objectContaining(line));
  }
  expect(written).toHaveLength(4);
  expect(lines.join('\n')).not.toContain('secret');
});
