/**
 * What an agent says of a message, a peer or its hub is so, and says what to do. One story per
 * test.
 */
import { describe, expect, test } from '@jest/globals';
import { AgentKeyPair } from '@agentmesh/crypto';
import { seededRandom } from '@agentmesh/hub-compliance';
import { LocalHub } from '@agentmesh/hub-local';
import { ProtocolError } from '@agentmesh/protocol';
import type { Hub } from '@agentmesh/protocol';
import { Agent, UnconfirmedError } from '../src/index.js';
import type { Logger } from '../src/index.js';
import { World } from './world.js';
import type { Resident } from './world.js';

/** Rejections are read after the fact. */
function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'accepted',
    (error: unknown) => error,
  );
}

/** A logger that keeps its lines. */
function listener(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = [];
  const at = (level: string) => (message: string, fields: object) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { lines, logger };
}

/** Takes what is sent and says nothing of it; when it ends a connection it says so to all. */
function hubThatIsMute(inner: Hub): Hub {
  return {
    async connect(credentials, events) {
      const unanswered = Promise.withResolvers<never>();
      unanswered.promise.catch(() => undefined);
      const connection = await inner.connect(credentials, {
        authenticated: (session) => events.authenticated(session),
        deliver: (delivery) => events.deliver(delivery),
        notice: (notice) => events.notice(notice),
        down: (error) => events.down(error),
        closed: (error) => {
          unanswered.reject(error);
          events.closed(error);
        },
      });
      const send = connection.send.bind(connection);
      connection.send = (envelope) => send(envelope).then(() => unanswered.promise);
      return connection;
    },
  };
}

describe('send, when the agent ends before the hub has confirmed it', () => {
  test('says that the message is kept, with its id; the next run sends it once', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'hello'));
    world.network.goDown();
    const outcome = outcomeOf(alice.agent.send('bob', 'pay 100'));
    await world.rest();
    await world.close(alice);
    const error = await outcome;
    expect(error).toBeInstanceOf(UnconfirmedError);
    expect(error).toMatchObject({ code: 'CLOSED', kept: true, retryable: false });
    const { id, message } = error as UnconfirmedError;
    expect(message).toMatch(/kept and is sent when this agent starts again: do not send it again/u);
    await world.network.comeBack();
    const again = await world.agent('alice', {}, alice);
    await world.advance(60_000);
    expect(bob.messages.map((each) => each.id)).toContain(id);
    expect(bob.texts).toEqual(['hello', 'pay 100']);
    const states = again.events.outgoing.filter((each) => each.id === id).map((step) => step.state);
    expect(states).toEqual(['delivered', 'handled']);
  });

  test('says that it is not kept where the agent keeps no store, or no keys', async () => {
    await using world = await World.create();
    const { hub } = world;
    await world.agent('bob');
    for (const [name, more] of Object.entries({ some: {}, other: { keyPair: world.keys() } })) {
      const runtime = world.runtime();
      const alice = await Agent.create(name, { hub, runtime, logLevel: 'silent', ...more });
      await world.finish(alice.send('bob', 'hello'));
      world.network.goDown();
      const outcome = outcomeOf(alice.send('bob', 'never'));
      await world.rest();
      await world.finish(alice.close());
      expect(await outcome).toMatchObject({ code: 'CLOSED', kept: false, id: expect.any(String) });
      await world.network.comeBack();
    }
  });

  test('says the same when another process has displaced it', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'hello'));
    world.hub.deviations = {
      send() {
        throw new ProtocolError('QUEUE_FULL');
      },
    };
    const outcome = outcomeOf(alice.agent.send('bob', 'order'));
    await world.rest();
    await world.agent('alice', {}, { keyPair: alice.keyPair });
    await world.rest();
    expect(await outcome).toMatchObject({ code: 'DISPLACED', kept: true, retryable: false });
  });

  test('does not take the end of the connection for a refusal of what the hub has taken', async () => {
    await using world = await World.create();
    const bob = await world.agent('bob');
    const alice = await world.agent('alice', { hub: hubThatIsMute(world.hub) });
    const outcome = outcomeOf(alice.agent.send('bob', 'order'));
    await world.advance(1_000);
    expect(bob.texts).toEqual(['order']);
    const again = await world.agent('alice', {}, { keyPair: alice.keyPair });
    await world.rest();
    expect(await outcome).toMatchObject({ code: 'DISPLACED', kept: true });
    expect(alice.events.outgoing.map(({ state }) => state)).not.toContain('rejected');
    await world.close(again);
    await world.close(alice);
    await world.agent('alice', {}, alice);
    await world.advance(60_000);
    expect(bob.texts).toEqual(['order']);
  });
});

describe('the log', () => {
  test('has one line when the hub is lost and one when it is back', async () => {
    await using world = await World.create();
    const { lines, logger } = listener();
    await world.agent('alice', { logger, logLevel: 'info' });
    for (const _round of [1, 2]) {
      world.network.goDown();
      await world.advance(60_000);
      await world.network.comeBack();
      await world.advance(5_000);
    }
    const { message } = new ProtocolError('CONNECTION_LOST');
    const reason = JSON.stringify({ code: 'CONNECTION_LOST', reason: message });
    const once = [`warn offline: connecting again ${reason}`, 'info online again {}'];
    expect(lines).toEqual(['info online {}', ...once, ...once]);
  });

  test('says at the first start why the hub is not reached yet, and when it is', async () => {
    await using world = await World.create();
    const { lines, logger } = listener();
    const away = new ProtocolError('CONNECTION_LOST', { message: 'Cannot reach hub localhost:1' });
    const back = Promise.withResolvers<void>();
    const hub: Hub = {
      connect: async (credentials, events) => {
        events.down(away);
        await back.promise;
        return world.hub.connect(credentials, events);
      },
    };
    const starting = world.agent('alice', { hub, logger, logLevel: 'info' });
    await world.rest();
    const told = JSON.stringify({ code: 'CONNECTION_LOST', reason: away.message });
    expect(lines).toEqual([`warn offline: connecting again ${told}`]);
    back.resolve();
    await starting;
    expect(lines.slice(1)).toEqual(['info online again {}']);
  });

  test('has nothing to say of what is delivered again after a lost connection', async () => {
    await using world = await World.create();
    const { lines, logger } = listener();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob', { logger, logLevel: 'debug' });
    await world.finish(alice.agent.send('bob', 'first'));
    await world.rest();
    world.hub.deviations = { ack: (seqs, by) => (by === 'bob' ? [] : seqs) };
    for (const text of ['1', '2', '3']) await world.finish(alice.agent.send('bob', text));
    await world.rest();
    world.hub.deviations = {};
    world.network.goDown();
    await world.network.comeBack();
    await world.advance(120_000);
    expect(bob.texts).toEqual(['first', '1', '2', '3']);
    expect(bob.events.refused).toEqual([]);
    expect(lines.filter((line) => line.startsWith('debug delivered again'))).toHaveLength(3);
    expect(lines.filter((line) => line.includes('refused'))).toEqual([]);
  });
});

describe('a hub and an agent that are killed together', () => {
  test('have nothing to say of what is delivered again as if for the first time', async () => {
    await using world = await World.create();
    const { lines, logger } = listener();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    for (const text of ['1', '2', '3']) await world.finish(alice.agent.send('bob', text));
    await world.advance(60_000);
    const last = world.hub.passed.delivered.filter(({ to }) => to === 'bob').slice(-3);
    await world.kill(bob);
    const store = await bob.store.copy();
    const again = await world.agent('bob', { logger, logLevel: 'debug' }, { ...bob, store });
    for (const { delivery } of last) world.hub.inject('bob', { envelope: delivery.envelope });
    await world.rest();
    expect(again.events.refused).toEqual([]);
    expect(lines.filter((line) => line.startsWith('debug delivered again'))).toHaveLength(3);
    // The same message in another envelope is no repetition of the hub's.
    const [{ delivery } = { delivery: null }] = last;
    if (delivery === null) throw new TypeError('nothing was delivered');
    const envelope = { ...delivery.envelope, id: new Uint8Array(16) };
    world.hub.inject('bob', { envelope });
    await world.rest();
    expect(again.events.refused.map(({ code }) => code)).toEqual(['DUPLICATE']);
    expect(again.texts).toEqual([]);
  });
});

describe('a name', () => {
  test('that is taken is explained to an agent that keeps no keys', async () => {
    const hub = new LocalHub();
    const keyPair = AgentKeyPair.generate(seededRandom(7));
    const owner = await Agent.create('alice', { hub, keyPair });
    await expect(Agent.create('alice', { hub, logLevel: 'silent' })).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      message: expect.stringContaining('pass keypairPath'),
    });
    await owner.close();
    await hub.close();
  });
});

describe('a peer that came back with new keys', () => {
  test('is IDENTITY_CHANGED with both fingerprints for what waited for the one before', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const first = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.rest();
    await world.close(first);
    // A hub that has lost its store: whoever comes first has the name.
    const other = new LocalHub({ host: world.host });
    world.network.goDown();
    const sending = outcomeOf(alice.agent.send('bob', 'again'));
    await world.rest();
    const second = await world.agent('bob', { hub: other });
    await world.network.comeBack(other);
    await world.advance(60_000);
    expect(await sending).toMatchObject({
      code: 'IDENTITY_CHANGED',
      pinned: first.agent.fingerprint,
      shown: second.agent.fingerprint,
    });
    expect(alice.events.identityChanged).toMatchObject([
      { peer: 'bob', pinned: first.agent.fingerprint, shown: second.agent.fingerprint },
    ]);
    expect(await alice.agent.peers()).toMatchObject([{ name: 'bob', contested: true }]);
  });
});

describe('a peer that has not started', () => {
  test('is waited for as long as the caller says, then it is PEER_NOT_FOUND', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const sending = alice.agent.send('bob', 'welcome', { waitForPeer: 60_000 });
    await world.advance(20_000);
    const bob = await world.agent('bob');
    await world.finish(sending);
    await world.rest();
    expect(bob.texts).toEqual(['welcome']);
    const began = world.host.clock();
    const never = outcomeOf(alice.agent.send('nobody', 'x', { waitForPeer: 30_000 }));
    expect(await world.finish(never)).toMatchObject({ code: 'PEER_NOT_FOUND' });
    expect(world.host.clock() - began).toBeGreaterThanOrEqual(30_000);
    expect(world.host.clock() - began).toBeLessThan(35_000);
    for (const options of [{ waitForPeer: -1 }, { wait: 1 } as object]) {
      await expect(alice.agent.send('bob', 'x', options)).rejects.toMatchObject({
        code: 'BAD_OPTION',
      });
    }
  });
});

describe('two processes with one identity', () => {
  test('do not take the connection from each other for ever: one waits and says why', async () => {
    await using world = await World.create();
    const keyPair = world.keys();
    let loser = await world.agent('twin', {}, { keyPair });
    let winner = await world.agent('twin', {}, { keyPair });
    await world.rest();
    let waiting: Resident | null = null;
    let rounds = 0;
    // Two supervisors: each starts its own again as soon as it has ended.
    while (waiting === null && rounds < 20) {
      rounds += 1;
      await world.close(loser);
      const next = await world.agent('twin', {}, loser);
      await world.rest();
      if ((await next.agent.status()).connection === 'offline') waiting = next;
      else [loser, winner] = [winner, next];
    }
    expect(rounds).toBeLessThanOrEqual(4);
    expect(await winner.agent.status()).toMatchObject({ connection: 'online' });
    expect(waiting?.events.connection.at(-1)?.error).toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining('stop one or give it own keys'),
    });
    // Later it comes in by itself: the other one may be gone.
    await world.close(winner);
    for (let seconds = 0; seconds < 90; seconds++) await world.advance(1_000);
    expect(await waiting?.agent.status()).toMatchObject({ connection: 'online' });
  });
});

describe('a first start', () => {
  test('cut between record and prekeys, with the store then lost, can be made again', async () => {
    await using world = await World.create();
    const keyPair = world.keys();
    world.hub.deviations = {
      putPrekeys() {
        throw new ProtocolError('CONNECTION_LOST');
      },
    };
    const beganMs = world.host.clock();
    const first = await world.agent('bob', {}, { keyPair });
    expect(await first.agent.status()).toMatchObject({ connection: 'offline' });
    await world.close(first);
    world.hub.deviations = {};
    // Within the same second: another record of the same revision.
    const runtime = { ...world.runtime(), now: () => beganMs + 5 };
    const bob = await world.agent('bob', { runtime }, { keyPair });
    expect(await bob.agent.status()).toMatchObject({ connection: 'online' });
    const alice = await world.agent('alice');
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.rest();
    expect(bob.texts).toEqual(['hello']);
  });
});

describe('what is awaited when its agent is closed', () => {
  const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'fulfilled',
      ({ code }: { code: unknown }) => code,
    );

  test('ends with it: a send that waits for its peer', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const sending = codeOf(alice.agent.send('bob', 'hi', { waitForPeer: 3_600_000 }));
    await world.advance(1_000);
    await alice.agent.close();
    // No time passes: a timer that goes on holds no process.
    expect(await sending).toBe('CLOSED');
  });

  test.each(['close', 'store'] as const)(
    'ends with it: a request that is repeated (%s)',
    async (end) => {
      await using world = await World.create();
      const alice = await world.agent('alice');
      world.hub.deviations.list = () => {
        throw new ProtocolError('CONNECTION_LOST');
      };
      const listing = codeOf(alice.agent.listPeers());
      await world.rest();
      if (end === 'close') await alice.agent.close();
      else {
        alice.store.beforeCommit = () => {
          throw new TypeError('a disk that fails');
        };
        alice.agent.send('alice', 'to itself').catch(() => undefined);
        await world.rest();
      }
      expect(await listing).toBe('CLOSED');
    },
  );
});

test('middleware that closes its agent does not wait for itself', async () => {
  await using world = await World.create();
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  let isClosed = false;
  bob.agent.use(async (_context, next) => {
    await bob.agent.close();
    isClosed = true;
    await next();
  });
  await world.finish(alice.agent.send('bob', 'stop'));
  await world.rest();
  expect(isClosed).toBe(true);
});
