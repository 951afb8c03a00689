import { describe, expect, test } from '@jest/globals';
import {
  AgentKeyPair,
  createIdentityRecord,
  createPrekey,
  createRevocation,
  REVOCATION_REASON,
  systemRandom,
} from '@agentmesh/crypto';
import { decodeBundle, ProtocolError, ready } from '@agentmesh/protocol';
import type { Delivery, HubEvents } from '@agentmesh/protocol';
import { LocalHub, MemoryHubStore } from './index.js';
import type { HubTraffic, LocalHubOptions } from './index.js';

await ready();
const alice = AgentKeyPair.generate();
const bob = AgentKeyPair.generate();
const NOW = Date.now();

async function join(hub: LocalHub, keyPair: AgentKeyPair, name: string) {
  const news: string[] = [];
  const arrivals: Delivery[] = [];
  let wake = (): void => undefined;
  const events: HubEvents = {
    authenticated: () => undefined,
    deliver: (delivery) => {
      arrivals.push(delivery);
      wake();
    },
    notice: () => undefined,
    down: () => undefined,
    closed: (error) => {
      news.push(error?.code ?? 'by us');
      wake();
    },
  };
  const { identity } = keyPair;
  const sign = (bytes: Uint8Array) => keyPair.sign(bytes);
  const instance = systemRandom(16);
  const connection = await hub.connect({ name, identity, instance, boot: 1, sign }, events);
  const until = async (met: () => boolean) => {
    while (!met()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { connection, arrivals, news, until };
}

const outgoing = (to: AgentKeyPair, blob = systemRandom(40)) => ({
  id: systemRandom(16),
  to: to.identity.aid,
  ttlSeconds: 60,
  blob,
});

async function two(options: LocalHubOptions = {}) {
  const hub = new LocalHub(options);
  return { hub, a: await join(hub, alice, 'alice'), b: await join(hub, bob, 'bob') };
}

describe('LocalHub', () => {
  test('carries envelopes by itself, on the real clock and event loop', async () => {
    const { hub, a, b } = await two();
    const sent = outgoing(bob);
    await a.connection.send(sent);
    await b.until(() => b.arrivals.length === 1);
    expect(b.arrivals[0]?.envelope).toMatchObject({ id: sent.id, from: alice.identity.aid });
    await hub.close();
  });

  test('counts each routed envelope once', async () => {
    const { hub, a } = await two();
    expect(hub.messageCount).toBe(0);
    const sent = outgoing(bob);
    await a.connection.send(sent);
    await a.connection.send(sent);
    await a.connection.send(outgoing(bob));
    const stranger = { ...outgoing(bob), to: systemRandom(32) };
    await expect(a.connection.send(stranger)).rejects.toMatchObject({ code: 'UNKNOWN_RECIPIENT' });
    expect(hub.messageCount).toBe(2);
    await hub.close();
  });

  test('shows all that it knows of an envelope, and that is not its content', async () => {
    const seen: HubTraffic[] = [];
    const { hub, a, b } = await two({ onTraffic: (traffic) => seen.push(traffic) });
    const sent = outgoing(bob);
    await a.connection.send(sent);
    expect(seen).toEqual([
      {
        id: sent.id,
        from: alice.identity.aid,
        to: bob.identity.aid,
        fromName: 'alice',
        toName: 'bob',
        seq: 1,
        tsMs: seen[0]?.tsMs,
        blob: sent.blob,
      },
    ]);
    await b.connection.close();
    await a.connection.send(outgoing(bob));
    expect(seen[1]?.toName).toBe(bob.address);
    await hub.close();
  });

  test('lists its agents and gives their bundles, without one-time prekeys', async () => {
    const { hub, b } = await two();
    expect(await hub.listAgents()).toEqual([]);
    await expect(hub.getBundle('bob')).rejects.toThrow("Peer 'bob' not found on hub");
    await expect(hub.getBundle('Bob!')).rejects.toThrow("Peer 'Bob!' not found on hub");
    const record = createIdentityRecord({
      keyPair: bob,
      name: 'bob',
      hubId: b.connection.session.hubId,
      createdMs: NOW,
      validUntilMs: NOW + 1_000_000,
      revision: 1,
    });
    const times = { createdMs: NOW, expiresMs: NOW + 1_000_000, random: systemRandom };
    const signed = createPrekey({ keyPair: bob, kind: 'signed', id: 1, ...times }).record.bytes;
    const oneTime = createPrekey({ keyPair: bob, kind: 'one-time', id: 2, ...times });
    await b.connection.putIdentity(record);
    await b.connection.putPrekeys({ signed: [signed], oneTime: [oneTime.record.bytes] });
    expect(await hub.listAgents()).toEqual(['bob']);
    for (const peer of ['bob', bob.address]) {
      expect(decodeBundle(await hub.getBundle(peer))).toEqual({ record, signed });
    }
    const bundle = await b.connection.getBundle('bob', { oneTime: true });
    expect(bundle.oneTime).toEqual(oneTime.record.bytes);
    await hub.close();
  });

  test('gives a revoked agent no messages and no registration, but its record and why', async () => {
    const { hub, a, b } = await two();
    const { hubId } = b.connection.session;
    const times = { createdMs: NOW, validUntilMs: NOW + 1_000_000 };
    const record = createIdentityRecord({
      keyPair: bob,
      name: 'bob',
      hubId,
      ...times,
      revision: 1,
    });
    await b.connection.putIdentity(record);
    const revocation = createRevocation(bob, { timeMs: NOW, reason: REVOCATION_REASON.retired });
    await a.connection.putRevocation(revocation);
    await b.until(() => b.news.length > 0);
    expect(b.news).toEqual(['REVOKED']);
    const REVOKED = { code: 'REVOKED', retryable: false };
    await expect(hub.register({ id: 'bob', address: bob.address })).rejects.toMatchObject(REVOKED);
    const [id, blob] = [systemRandom(16), systemRandom(64)];
    const handed = { id, from: alice.identity.aid, to: bob.identity.aid, blob };
    await expect(hub.deliver(handed)).rejects.toMatchObject(REVOKED);
    expect(decodeBundle(await hub.getBundle('bob'))).toEqual({ record, revocation });
    await hub.close();
  });

  test('starts again after its store had failed', async () => {
    const store = new MemoryHubStore();
    let failures = 1;
    const hubSeed: MemoryHubStore['hubSeed'] = async (create) => {
      if (failures-- > 0) throw new ProtocolError('STORAGE');
      return MemoryHubStore.prototype.hubSeed.call(store, create);
    };
    const hub = new LocalHub({ store: Object.assign(store, { hubSeed }) });
    await expect(hub.listAgents()).rejects.toMatchObject({ code: 'STORAGE' });
    expect(await hub.listAgents()).toEqual([]);
    await hub.close();
  });

  test('reserves a name, queues for it, and gives it to nobody else', async () => {
    const hub = new LocalHub();
    await hub.register({ id: 'bob', address: bob.address });
    await hub.register({ id: 'bob', address: bob.address });
    const a = await join(hub, alice, 'alice');
    await a.connection.send(outgoing(bob));
    await expect(join(hub, AgentKeyPair.generate(), 'bob')).rejects.toMatchObject({
      code: 'NAME_TAKEN',
    });
    const taken = hub.register({ id: 'bob', address: AgentKeyPair.generate().address });
    await expect(taken).rejects.toMatchObject({ code: 'NAME_TAKEN' });
    const renamed = hub.register({ id: 'rob', address: bob.address });
    await expect(renamed).rejects.toMatchObject({ code: 'REGISTRATION_REFUSED' });
    const bad = hub.register({ id: 'No Name', address: bob.address });
    await expect(bad).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const b = await join(hub, bob, 'bob');
    expect(b.connection.session).toMatchObject({ lastInstance: null, queued: 1 });
    await b.until(() => b.arrivals.length === 1);
    await hub.close();
  });

  test('takes envelopes by hand, with the answers of a connection', async () => {
    const { hub, b } = await two();
    const { id, to, blob } = outgoing(bob);
    const handed = { id, from: alice.identity.aid, to, blob };
    expect(await hub.deliver(handed)).toEqual({ seq: 1, duplicate: false });
    expect(await hub.deliver(handed)).toEqual({ seq: 1, duplicate: true });
    await b.until(() => b.arrivals.length === 1);
    expect(b.arrivals[0]?.envelope).toMatchObject(handed);
    expect(hub.messageCount).toBe(1);
    const refusals = {
      CONFLICT: { blob: systemRandom(40) },
      UNKNOWN_RECIPIENT: { id: systemRandom(16), to: systemRandom(32) },
      TOO_LARGE: { blob: new Uint8Array(1_048_577) },
      BAD_FRAME: { from: systemRandom(31) },
    };
    for (const [code, change] of Object.entries(refusals)) {
      await expect(hub.deliver({ ...handed, ...change })).rejects.toMatchObject({ code });
    }
    const ttl = hub.deliver({ ...handed, ttlSeconds: 2_592_001 });
    await expect(ttl).rejects.toMatchObject({ code: 'BAD_FRAME' });
    await hub.close();
  });

  test('over the same store it is the same hub after a restart', async () => {
    const store = new MemoryHubStore();
    const first = await two({ store });
    await first.b.connection.close();
    await first.a.connection.send(outgoing(bob));
    const { hubKey } = first.a.connection.session;
    await first.hub.close();
    const hub = new LocalHub({ store });
    const b = await join(hub, bob, 'bob');
    expect(b.connection.session).toMatchObject({ hubKey, queued: 1 });
    await b.until(() => b.arrivals.length === 1);
    await hub.close();
  });

  test('closing ends every connection and refuses new ones', async () => {
    const { hub, a, b } = await two();
    await hub.close();
    await a.until(() => a.news.length === 1);
    await b.until(() => b.news.length === 1);
    expect([a.news, b.news]).toEqual([['SHUTTING_DOWN'], ['SHUTTING_DOWN']]);
    await expect(join(hub, alice, 'alice')).rejects.toMatchObject({ code: 'HUB_CLOSED' });
    await expect(new LocalHub().close()).resolves.toBeUndefined();
  });

  test('limits have bounds', () => {
    expect(() => new LocalHub({ limits: { listNames: 1_001 } })).toThrow('at most 1000');
  });
});
