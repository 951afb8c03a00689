/**
 * Agents of today on a hub that has not learnt a feature yet (protocol.md §2.15): all that needs it
 * is a typed error or is left out, everything else goes on, and nothing is lost.
 */
import { describe, expect, test } from '@jest/globals';
import { FEATURES, SUPPORTED_FEATURES } from '@agentmesh/protocol';
import type { Hub } from '@agentmesh/protocol';
import { Agent } from '../src/index.js';
import { World } from './world.js';

const EACH = Object.values(FEATURES);

/** The world's hub as one that lacks features; `common` is what its clients share with it. */
function hubWithout(world: World, lacking: readonly string[]): { hub: Hub; common: Set<string> } {
  const listed = SUPPORTED_FEATURES as string[];
  const all = [...listed];
  const { host } = world;
  const defer = host.defer.bind(host);
  // Whatever the hub says and hears is in a turn that it deferred; for that long it knows no more.
  host.defer = (task) =>
    defer(() => {
      listed.splice(0, Infinity, ...all.filter((feature) => !lacking.includes(feature)));
      try {
        task();
      } finally {
        listed.splice(0, Infinity, ...all);
      }
    });
  const common = new Set<string>();
  const hub: Hub = {
    async connect(credentials, events) {
      const connection = await world.hub.connect(credentials, events);
      for (const feature of connection.session.features) common.add(feature);
      return connection;
    },
  };
  return { hub, common };
}

async function readAll(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

const CASES = [...EACH.map((feature) => [feature, [feature]] as const), ['any', EACH] as const];

describe.each(CASES)('a hub without %s', (_, lacking) => {
  test('serves messages, requests and streams', async () => {
    await using world = await World.create();
    const { hub, common } = hubWithout(world, lacking);
    const alice = await world.agent('alice', { hub });
    let bob = await world.agent('bob', { hub });
    const serve = (agent: Agent): void => {
      agent.onRequest(({ text }) => ({ text: text.toUpperCase() }));
      agent.onStream(async function* () {
        for (let n = 0; n < 200; n++) yield n;
        return 'done';
      });
    };
    serve(bob.agent);
    const texts = Array.from({ length: 100 }, (_, n) => `message ${n}`);
    const sent = Promise.all(texts.map((text) => alice.agent.send('bob', text)));
    await world.finish(sent.then((all) => Promise.all(all.map(({ handled }) => handled))));
    expect(bob.texts).toEqual(texts);
    expect(await world.finish(alice.agent.request('bob', 'status?'))).toEqual({ text: 'STATUS?' });
    await world.close(bob);
    const call = await world.finish(alice.agent.call('bob', 'later'));
    const stream = alice.agent.stream('bob', 'count');
    await world.advance(5_000);
    bob = await world.agent('bob', { hub }, bob);
    serve(bob.agent);
    expect(await world.finish(call.answer())).toEqual({ text: 'LATER' });
    expect(await world.finish(readAll(stream))).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(await stream.result).toBe('done');
    expect([...common].toSorted()).toEqual(EACH.filter((one) => !lacking.includes(one)).toSorted());
  });

  test('loses nothing of an agent that keeps no keys', async () => {
    await using world = await World.create();
    const { hub } = hubWithout(world, lacking);
    const alice = await world.agent('alice', { hub });
    const brief = (): Promise<Agent> => {
      const runtime = world.runtime();
      return world.finish(Agent.create('bob', { hub, runtime, logLevel: 'silent' }));
    };
    const bob = await brief();
    await world.finish(alice.agent.send('bob', 'hello'));
    await world.finish(bob.close());
    if (lacking.includes(FEATURES.transient)) {
      // A name stays with its first holder: whoever comes later is told what to do about it.
      await expect(brief()).rejects.toMatchObject({
        code: 'NAME_TAKEN',
        message: expect.stringContaining('keypairPath'),
      });
      return;
    }
    const again = await brief();
    const waiting: unknown[] = [];
    again.on('outgoing', ({ state, reason }) => void (state === 'waiting' && waiting.push(reason)));
    const sent = await world.finish(again.send('alice', 'it is me'));
    await world.advance(2_000);
    const isTold = !lacking.includes(FEATURES.putOff);
    expect(waiting).toEqual(isTold ? ['IDENTITY_CHANGED'] : []);
    await alice.agent.trust('bob', again.fingerprint);
    await world.advance(120_000);
    await world.finish(sent.handled);
    expect(alice.texts).toEqual(['it is me']);
    await world.finish(again.close());
  });
});
