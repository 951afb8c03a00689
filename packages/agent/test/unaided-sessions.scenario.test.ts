/** Sessions without a one-time prekey are bounded for each signed prekey, over restarts too. */
import { describe, expect, test } from '@jest/globals';
import { parseMessage } from '@agentmesh/crypto';
import type { Bundle } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { ROW } from '../src/store/row-keys.js';
import { World } from './world.js';

/** A bundle without its one-time prekey. */
const alone = ({ record, signed }: Bundle): Bundle => ({ record, signed });

describe('sessions without a one-time prekey', () => {
  test('are counted over restarts; the last one has the signed prekey replaced', async () => {
    await using world = await World.create();
    world.hub.deviations.bundle = alone;
    const bob = await world.agent('bob');
    const writers = await Promise.all(
      ['ann', 'ben', 'cid', 'dan'].map((name) => world.agent(name)),
    );
    const [ann, ben, cid, dan] = writers;
    if (!ann || !ben || !cid || !dan) throw new Error('somebody is missing');
    await world.finish(ann.agent.send('bob', 'first'));
    await world.advance(1_000);
    const [sent] = world.hub.passed.sent;
    const used = parseMessage(sent?.envelope.blob ?? new Uint8Array()).prekeyBlock?.signedPrekeyId;
    if (used === undefined) throw new Error('no first message was sent');
    const count = async (): Promise<string | undefined> =>
      (await bob.store.rows()).get(ROW.unaided(used))?.slice(2);
    expect(await count()).toBe('00000001');
    // As if all but one of those that may be had been accepted in earlier runs.
    const left = AGENT_LIMITS.sessionsPerSignedPrekey - 1;
    const row = Buffer.alloc(5, 1);
    row.writeUInt32BE(left, 1);
    await bob.store.commit([{ put: ROW.unaided(used), value: Uint8Array.from(row) }]);
    const again = await world.restart(bob);
    const stale = world.hub.passed.served.findLast(({ peer }) => peer === 'bob')?.bundle;
    await world.finish(ben.agent.send('bob', 'last'));
    await world.advance(1_000);
    expect(again.texts).toEqual(['last']);
    // With the prekey that is full nobody gets in any more, though a hub goes on serving it: bob
    // begins a session instead, and has the message sent again.
    world.hub.deviations.bundle = (bundle, { peer }) =>
      alone(peer === 'bob' ? (stale ?? bundle) : bundle);
    await world.finish(cid.agent.send('bob', 'too many'));
    await world.advance(1_000);
    expect(again.events.undecryptable).toMatchObject([{ code: 'UNKNOWN_PREKEY', reset: true }]);
    expect(again.texts).toEqual(['last', 'too many']);
    // The new one, which bob has published at once, serves as before.
    world.hub.deviations.bundle = alone;
    await world.finish(dan.agent.send('bob', 'after'));
    await world.advance(1_000);
    expect(again.texts).toContain('after');
  });

  test('that come at the same moment are all counted', async () => {
    await using world = await World.create();
    world.hub.deviations.bundle = alone;
    const bob = await world.agent('bob');
    const writers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => world.agent(`writer-${n}`)),
    );
    await world.finish(Promise.all(writers.map(({ agent }) => agent.send('bob', 'now'))));
    await world.advance(60_000);
    expect(bob.texts).toHaveLength(8);
    const rows = [...(await bob.store.rows())].filter(([key]) => key.startsWith('unaided/'));
    expect(rows.map(([, row]) => row)).toEqual(['0100000008']);
  });
});
