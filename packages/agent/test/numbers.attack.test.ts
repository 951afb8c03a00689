/**
 * Numbers that a hub can raise by what it says (protocol.md §2.15): it uses none of them up, and no
 * question to it goes on for ever.
 */
import { describe, expect, test } from '@jest/globals';
import { AgentKeyPair, createIdentityRecord, parseIdentityRecord } from '@agentmesh/crypto';
import { encodePayload, ProtocolError } from '@agentmesh/protocol';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { envelopeTo, forgerTo } from './forger.js';
import { World } from './world.js';

const HIGHEST = 0xffff_ffff;

/** The hub refuses every record as too old, as often as it is shown one. */
function refuseRecords(world: World): number[] {
  const shown: number[] = [];
  world.hub.deviations.putIdentity = (record) => {
    shown.push(parseIdentityRecord(record).revision);
    throw new ProtocolError('BAD_RECORD');
  };
  return shown;
}

async function reconnect(world: World): Promise<void> {
  world.network.goDown();
  await world.rest();
  await world.network.comeBack(world.local);
  await world.advance(2_000);
}

describe('T-A71 wait-for-a-day', () => {
  test('a hub that asks to wait for a day is asked again in a minute, and at once when it is back', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const bob = await world.agent('bob');
    await world.finish(alice.agent.send('bob', 'first'));
    const refuse = () => {
      throw new ProtocolError('RATE_LIMITED', { retryAfterMs: 86_400_000 });
    };
    world.hub.deviations.send = refuse;
    void alice.agent.send('bob', 'second').catch(() => undefined);
    await world.advance(1_000);
    world.hub.deviations = {};
    await world.advance(AGENT_LIMITS.resendMaxMs);
    expect(bob.texts).toEqual(['first', 'second']);
    world.hub.deviations.send = refuse;
    void alice.agent.send('bob', 'third').catch(() => undefined);
    await world.advance(1_000);
    world.hub.deviations = {};
    await reconnect(world);
    expect(bob.texts).toEqual(['first', 'second', 'third']);
  });
});

describe('T-A37 used-up-numbers', () => {
  test("a stranger's record raises the revision of no other identity", async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    const shown = refuseRecords(world);
    const record = createIdentityRecord({
      keyPair: AgentKeyPair.generate(),
      name: 'nobody',
      createdMs: world.host.clock(),
      validUntilMs: world.host.clock() + 1e9,
      revision: HIGHEST - 1,
    });
    world.hub.deviations.bundle = (bundle) => ({ ...bundle, record });
    await reconnect(world);
    expect(shown.length).toBeGreaterThan(0);
    expect(Math.max(...shown)).toBeLessThan(HIGHEST / 2);
    world.hub.deviations = {};
    await reconnect(world);
    expect(alice.events.connection.at(-1)).toMatchObject({ state: 'online' });
  });

  test('however often a hub refuses records, revisions stay near the clock', async () => {
    await using world = await World.create();
    await world.agent('alice');
    const shown = refuseRecords(world);
    world.hub.deviations.bundle = () => {
      throw new ProtocolError('PEER_NOT_FOUND');
    };
    for (let round = 0; round < 20; round++) {
      await reconnect(world);
    }
    const nowSeconds = world.host.clock() / 1000;
    expect(shown.length).toBeGreaterThan(20);
    expect(Math.max(...shown)).toBeLessThan(nowSeconds + 2 ** 17 + 2);
  });

  test('a hub that lies about prekeys at each connection gets few new ones', async () => {
    await using world = await World.create();
    await world.agent('alice');
    const uploads: { ids: number[] }[] = [];
    world.hub.deviations.putPrekeys = (keys) => {
      const ids = keys.oneTime.map((one) =>
        new DataView(one.buffer, one.byteOffset).getUint32(4 + 1 + 32),
      );
      uploads.push({ ids });
      return keys;
    };
    world.hub.deviations.session = (session) => ({ ...session, keyDigest: null });
    for (let round = 0; round < 30; round++) {
      await reconnect(world);
    }
    const ids = uploads.flatMap((upload) => upload.ids);
    expect(uploads.length).toBeGreaterThanOrEqual(30);
    expect(ids.length).toBeLessThan(100 + 40 * 5);
    const [first = 0] = ids;
    expect(Math.max(...ids) - first).toBeLessThan(2 ** 16 + 300);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test('T-A56 highest-number: a peer uses up numbers of its own alone, and is heard on', async () => {
  await using world = await World.create();
  const victim = await world.agent('victim');
  const [alice, mallory] = [await world.agent('alice'), await world.agent('mallory')];
  await world.finish(mallory.agent.send('victim', 'hello'));
  await world.rest();
  const sentAtMs = world.host.clock();
  const forger = forgerTo(world, mallory, 'victim');
  const names = { fromName: 'mallory', toName: 'victim', sentAtMs };
  for (const convSeq of [1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1, 2]) {
    const wire = forger.say({ ...names, body: encodePayload({ text: `${convSeq}` }), convSeq });
    world.hub.inject('victim', envelopeTo(victim, forger.aid, wire));
  }
  await world.advance(60_000);
  expect(victim.texts.toSorted()).toEqual(
    ['hello', '1', '2', ...[1, 0].map((n) => `${Number.MAX_SAFE_INTEGER - n}`)].toSorted(),
  );
  await world.finish(alice.agent.send('victim', 'honest'));
  await world.finish(mallory.agent.send('victim', 'as ever'));
  await world.advance(60_000);
  expect(victim.texts.slice(-2)).toEqual(['honest', 'as ever']);
  const rows = await victim.store.rows();
  const peers = [...rows].filter(([key]) => key.startsWith('peer/'));
  // In hex: what was skipped is a range, and no row for each number.
  expect(Math.max(...peers.map(([, value]) => value.length))).toBeLessThan(8_192);
  expect(rows.size).toBeLessThan(500);
});

describe('T-A38 endless-listing', () => {
  const endless = [
    ['the same page again', () => ({ names: ['bob'], next: 'bob' })],
    ['pages without names', () => ({ names: [], next: 'x' })],
    ['names without order', () => ({ names: ['b', 'a'], next: null })],
  ] as const;

  test.each(endless)('%s ends with BAD_FRAME', async (_, list) => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    world.hub.deviations.list = () => list();
    const listing = world.finish(alice.agent.listPeers());
    await expect(listing).rejects.toMatchObject({ code: 'BAD_FRAME', retryable: false });
  });

  test('ever new names end at a bound', async () => {
    await using world = await World.create();
    const alice = await world.agent('alice');
    let count = 0;
    world.hub.deviations.list = () => {
      const names = Array.from({ length: 1_000 }, () => `n${String(count++).padStart(9, '0')}`);
      return { names, next: names.at(-1) ?? null };
    };
    const listing = world.finish(alice.agent.listPeers());
    await expect(listing).rejects.toMatchObject({ code: 'BAD_FRAME' });
    expect(count).toBeLessThanOrEqual(AGENT_LIMITS.listedNames + 1_000);
  });
});
