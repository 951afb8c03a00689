import { describe, expect, test } from '@jest/globals';
import { createIdentityRecord, createPrekey, createRevocation } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { hubIdOf } from '@agentmesh/protocol';
import { alice, bob, carol, CoreClient } from './core-harness.js';
import { Village } from './village.js';

/** Longer than a lost hint may stay unnoticed. */
const LOOK_SECONDS = 16;

async function join(village: Village, at: number, keyPair: AgentKeyPair, name: string) {
  const client = new CoreClient(village.hub(at).core);
  client.auth(keyPair, name);
  await village.settle();
  return client;
}

/** Time passes with a word from everybody, so that nobody is closed as silent. */
async function wait(village: Village, seconds: number, clients: readonly CoreClient[]) {
  for (const client of clients) client.send({ type: 'ping' });
  await village.pass(seconds);
}

const idsOf = (client: CoreClient) =>
  client.link.take('deliver').map(({ envelope }) => envelope.id[0]);

describe('hubs over one store', () => {
  test('what is sent at one is delivered at the other at once', async () => {
    const village = await Village.of(2);
    const sender = await join(village, 0, alice, 'alice');
    const receiver = await join(village, 1, bob, 'bob');
    for (const n of [1, 2, 3]) sender.sendTo(bob, n);
    await village.settle();
    expect(idsOf(receiver)).toEqual([1, 2, 3]);
  });

  test('a lost hint is made up for by the next look into the store', async () => {
    const village = await Village.of(2);
    const sender = await join(village, 0, alice, 'alice');
    const receiver = await join(village, 1, bob, 'bob');
    village.isConnected = false;
    sender.sendTo(bob, 1);
    await village.pass(5);
    expect(idsOf(receiver)).toEqual([]);
    await wait(village, LOOK_SECONDS, [sender, receiver]);
    expect(idsOf(receiver)).toEqual([1]);
  });

  test('a sender at another hub hears that its envelope waits for a decision', async () => {
    const village = await Village.of(3);
    const sender = await join(village, 0, alice, 'alice');
    const other = await join(village, 0, carol, 'carol');
    const receiver = await join(village, 1, bob, 'bob');
    sender.sendTo(bob, 7);
    await village.settle();
    const refuse = (reason: string) => {
      const [{ seq } = { seq: 0 }] = receiver.link.take('deliver');
      const frame = { type: 'nack', seq, reason, delay: 0 } as const;
      receiver.connection.receive({ ok: true, frame }, '');
    };
    refuse('BUSY');
    await village.settle();
    expect(sender.link.take('notice')).toEqual([]);
    refuse('IDENTITY_CHANGED');
    await village.settle();
    const id = new Uint8Array(16).fill(7);
    expect(sender.link.take('notice')).toEqual([
      { type: 'notice', id, what: 'put_off', reason: 'IDENTITY_CHANGED' },
    ]);
    expect(other.link.take('notice')).toEqual([]);
  });

  test('after an interruption everybody is looked after soon', async () => {
    const village = await Village.of(2);
    const sender = await join(village, 0, alice, 'alice');
    const receiver = await join(village, 1, bob, 'bob');
    village.isConnected = false;
    sender.sendTo(bob, 1);
    await village.pass(1);
    village.missed();
    await village.pass(1);
    expect(idsOf(receiver)).toEqual([1]);
  });

  test('an envelope sent again wakes its recipient: its first hub may have told nobody', async () => {
    const village = await Village.of(2);
    const receiver = await join(village, 1, bob, 'bob');
    village.isConnected = false;
    const first = await join(village, 0, alice, 'alice');
    first.sendTo(bob, 1);
    await village.settle();
    village.isConnected = true;
    const again = await join(village, 1, alice, 'alice');
    again.sendTo(bob, 1);
    await village.settle();
    expect(again.link.take('sent')).toMatchObject([{ duplicate: true }]);
    expect(idsOf(receiver)).toEqual([1]);
  });

  test('the newest connection wins, and takes over what the older one held', async () => {
    const village = await Village.of(2);
    const sender = await join(village, 0, alice, 'alice');
    const older = await join(village, 0, bob, 'bob');
    sender.sendTo(bob, 1);
    await village.settle();
    expect(older.link.take('deliver')).toMatchObject([{ attempt: 1 }]);
    const newer = await join(village, 1, bob, 'bob');
    expect(older.link.take('bye')).toMatchObject([{ code: 'DISPLACED' }]);
    expect(older.link.closedWith).toBe(4409);
    expect(newer.link.take('deliver')).toMatchObject([{ attempt: 2 }]);
    expect(newer.link.closedWith).toBeNull();
  });

  test('an older connection that nobody told ends at the next look', async () => {
    const village = await Village.of(2);
    const older = await join(village, 0, bob, 'bob');
    village.isConnected = false;
    const newer = await join(village, 1, bob, 'bob');
    expect(older.link.closedWith).toBeNull();
    await wait(village, LOOK_SECONDS, [older, newer]);
    expect(older.link.closedWith).toBe(4409);
    expect(newer.link.closedWith).toBeNull();
  });

  test('of connections made at the same time at three hubs one stays', async () => {
    const village = await Village.of(3);
    const clients = [0, 1, 2, 0, 1, 2].map((at) => new CoreClient(village.hub(at).core));
    for (const client of clients) client.auth(bob, 'bob');
    await village.settle();
    await wait(village, LOOK_SECONDS, clients);
    expect(clients.filter(({ link }) => link.closedWith === null)).toHaveLength(1);
  });

  test('a notice reaches its sender at another hub', async () => {
    const village = await Village.of(2, { deliveryAttempts: 1 });
    const sender = await join(village, 0, alice, 'alice');
    const receiver = await join(village, 1, bob, 'bob');
    sender.sendTo(bob, 1);
    await village.settle();
    const [{ seq } = { seq: 0 }] = receiver.link.take('deliver');
    receiver.send({ type: 'nack', seq, delay: 0, reason: 'STORAGE' });
    await village.settle();
    expect(sender.link.take('notice')).toMatchObject([{ what: 'dead_lettered' }]);
  });

  test('a rate that is spent at one hub is spent at the next one, and at the first again', async () => {
    const village = await Village.of(2, { sendBurst: 3, sendsPerSecond: 1 });
    await join(village, 0, bob, 'bob');
    const spent: string[] = [];
    for (const at of [0, 1, 0, 1]) {
      const client = await join(village, at, alice, 'alice');
      client.sendTo(bob, at);
      client.sendTo(bob, at + 2);
      await village.settle();
      const answers = client.link.frames.filter(({ type }) => type === 'sent' || type === 'error');
      client.link.frames.length = 0;
      spent.push(...answers.map(({ type }) => type));
    }
    expect(spent.filter((type) => type === 'sent')).toHaveLength(3);
    expect(spent.filter((type) => type === 'error')).toHaveLength(5);
  });

  test('one-time prekeys fetched at one hub count for the limits of all', async () => {
    const limits = { oneTimeFetchesPerPairPerMinute: 2 };
    const village = await Village.of(2, limits);
    const nowMs = village.hub(0).host.nowMs;
    const target = await join(village, 0, bob, 'bob');
    const hubId = hubIdOf(village.hub(0).core.hubKey);
    const times = { createdMs: nowMs, expiresMs: nowMs + 9 * 86_400_000 };
    const record = createIdentityRecord({
      keyPair: bob,
      name: 'bob',
      hubId,
      createdMs: nowMs,
      validUntilMs: nowMs + 9 * 86_400_000,
      revision: 1,
    });
    const { random } = village.hub(0).host;
    const prekey = (kind: 'signed' | 'one-time', id: number) =>
      createPrekey({ keyPair: bob, kind, id, ...times, random }).record.bytes;
    target.send({ type: 'put_identity', record });
    const oneTime = [1, 2, 3, 4].map((id) => prekey('one-time', id));
    target.send({ type: 'put_prekeys', signed: [prekey('signed', 1)], oneTime });
    await village.settle();
    const handedOut: (Uint8Array | undefined)[] = [];
    for (const at of [0, 1, 1, 0]) {
      const client = await join(village, at, carol, 'carol');
      client.send({ type: 'get_bundle', peer: 'bob', oneTime: true });
      await village.settle();
      handedOut.push(...client.link.take('bundle').map((bundle) => bundle.oneTime));
    }
    expect(handedOut.map((key) => key !== undefined)).toEqual([true, true, false, false]);
  });

  test.each([
    ['at once', true, 0],
    ['at the next look, if nobody told', false, LOOK_SECONDS],
  ])('a connection of an identity revoked at another hub ends %s', async (_, isTold, seconds) => {
    const village = await Village.of(2);
    const victim = await join(village, 1, bob, 'bob');
    const nowMs = village.hub(0).host.nowMs;
    const record = createIdentityRecord({
      keyPair: bob,
      name: 'bob',
      hubId: hubIdOf(village.hub(0).core.hubKey),
      createdMs: nowMs,
      validUntilMs: nowMs + 1,
      revision: 1,
    });
    victim.send({ type: 'put_identity', record });
    await village.settle();
    const witness = await join(village, 0, alice, 'alice');
    village.isConnected = isTold;
    const revocation = createRevocation(bob, { timeMs: nowMs, reason: 1 });
    witness.send({ type: 'put_revocation', revocation });
    await village.settle();
    expect(witness.link.take('ok')).toHaveLength(1);
    expect(victim.link.closedWith).toBe(isTold ? 4401 : null);
    await wait(village, seconds, [witness, victim]);
    expect(victim.link.take('bye')).toMatchObject([{ code: 'REVOKED' }]);
    expect(victim.link.closedWith).toBe(4401);
    expect(witness.link.closedWith).toBeNull();
  });

  test('a hub that has stopped hears nothing any more', async () => {
    const village = await Village.of(2);
    await join(village, 1, bob, 'bob');
    await village.hub(1).core.stop();
    const sender = await join(village, 0, alice, 'alice');
    sender.sendTo(bob, 1);
    await village.settle();
    expect(sender.link.take('sent')).toHaveLength(1);
  });
});
