import { afterEach, describe, expect, test } from '@jest/globals';
import { seededRandom, TestAgent } from '@agentmesh/hub-compliance';
import { LocalHub, MemoryHubStore, systemHost } from '@agentmesh/hub-local';
import { ready } from '@agentmesh/crypto';
import { NetworkHub } from '../src/index.js';
import { Cable, Diary } from './cable.js';

const random = seededRandom(7);
const hubs: NetworkHub[] = [];

function networkHub(...options: ConstructorParameters<typeof NetworkHub>): NetworkHub {
  const hub = new NetworkHub(...options);
  hubs.push(hub);
  return hub;
}

afterEach(async () => {
  await Promise.all(hubs.splice(0).map((hub) => hub.close()));
});

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (diary: Diary) => diary.received.map((blob) => new TextDecoder().decode(blob));

async function twoAgents(cable = new Cable()) {
  await ready();
  const hub = networkHub({ host: 'localhost' }, cable.host());
  const alice = new TestAgent('alice', random);
  const bob = new TestAgent('bob', random);
  const diaries = { alice: new Diary(), bob: new Diary() };
  const lines = {
    alice: await hub.connect(alice.credentials(), diaries.alice),
    bob: await hub.connect(bob.credentials(), diaries.bob),
  };
  const envelope = (text: string) => ({
    id: random(16),
    to: bob.aid,
    ttlSeconds: 60,
    blob: bytes(text),
  });
  return { cable, hub, alice, bob, diaries, lines, envelope };
}

describe('a line through a cable that breaks', () => {
  test('two agents share one NetworkHub, and a send arrives', async () => {
    const { hub, lines, diaries, envelope } = await twoAgents();
    expect(await lines.alice.send(envelope('one'))).toEqual({ seq: 1, duplicate: false });
    await diaries.bob.until('deliver');
    expect(texts(diaries.bob)).toEqual(['one']);
    await hub.close();
    expect(diaries.bob.news).toEqual(['deliver', 'closed by us']);
  });

  test('a send whose answer was lost goes out again with its id, and the hub says duplicate', async () => {
    const { cable, hub, lines, diaries, envelope } = await twoAgents();
    cable.deaf = true;
    const sending = lines.alice.send(envelope('once'));
    while (cable.hub.messageCount === 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, 1);
      });
    }
    cable.cut();
    cable.deaf = false;
    expect(await sending).toEqual({ seq: 1, duplicate: true });
    await diaries.bob.until('deliver');
    expect(texts(diaries.bob)).toEqual(['once']);
    expect(cable.hub.messageCount).toBe(1);
    await hub.close();
  });

  test('what is sent while the hub is away arrives when it is back', async () => {
    const { cable, hub, lines, diaries, envelope } = await twoAgents();
    cable.connected = false;
    cable.cut();
    await diaries.alice.until('down CONNECTION_LOST');
    const sending = lines.alice.send(envelope('later'));
    cable.connected = true;
    expect(await sending).toEqual({ seq: 1, duplicate: false });
    await diaries.bob.until('deliver');
    expect(diaries.alice.news).toEqual(['down CONNECTION_LOST', 'authenticated']);
    expect(diaries.bob.news).toEqual(['down CONNECTION_LOST', 'authenticated', 'deliver']);
    await hub.close();
  });

  test('a request that waits longer than its time fails with TIMEOUT and can be repeated', async () => {
    await ready();
    const cable = new Cable();
    const hub = networkHub({ host: 'localhost', requestTimeoutMs: 30 }, cable.host());
    const agent = new TestAgent('patient', random);
    const line = await hub.connect(agent.credentials(), new Diary());
    cable.connected = false;
    cable.cut();
    await expect(line.list({})).rejects.toMatchObject({ code: 'TIMEOUT', retryable: true });
    cable.connected = true;
    await hub.close();
  });

  test('one hundred cuts under traffic lose nothing and double nothing', async () => {
    const { cable, hub, lines, diaries, envelope } = await twoAgents();
    const sends: Promise<unknown>[] = [];
    for (let cut = 0; cut < 100; cut++) {
      sends.push(lines.alice.send(envelope(`message ${cut}`)));
      if (cut % 2 === 0) await Promise.resolve();
      else await new Promise((resolve) => setImmediate(resolve));
      cable.cut();
    }
    await Promise.all(sends);
    expect(cable.hub.messageCount).toBe(100);
    const wanted = Array.from({ length: 100 }, (_, cut) => `message ${cut}`);
    // Nothing is acknowledged here, so what was pushed into a cut cable comes again.
    while (new Set(texts(diaries.bob)).size < 100) {
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    }
    expect(Array.from(new Set(texts(diaries.bob))).toSorted()).toEqual(wanted.toSorted());
    await hub.close();
  });
});

describe('T-A15 half-open', () => {
  test('a hub that has fallen silent is given up after 75 s, and the next connection goes on', async () => {
    await ready();
    const cable = new Cable();
    const started = Date.now();
    const clock = () => started + (Date.now() - started) * 200;
    const hub = networkHub({ host: 'localhost' }, { ...cable.host(), clock });
    const agent = new TestAgent('silenced', random);
    const diary = new Diary();
    const line = await hub.connect(agent.credentials(), diary);
    cable.deaf = true;
    await diary.until('down IDLE');
    expect(Date.now() - started).toBeGreaterThan(75_000 / 200);
    cable.deaf = false;
    await diary.until('authenticated');
    expect(await line.list({})).toEqual({ names: [], next: null });
  });
});

describe('conditions that no retry can help', () => {
  test('a displaced line ends with DISPLACED and does not come back', async () => {
    const { cable, hub, alice, diaries, lines, envelope } = await twoAgents();
    const newer = new Diary();
    await hub.connect(alice.credentials(), newer);
    await diaries.alice.until('closed DISPLACED');
    const { attempts } = cable;
    await expect(lines.alice.send(envelope('x'))).rejects.toMatchObject({ code: 'DISPLACED' });
    expect(cable.attempts).toBe(attempts);
    expect(newer.news).toEqual([]);
    await hub.close();
  });

  test('a taken name rejects connect at once', async () => {
    const { cable, hub } = await twoAgents();
    const { attempts } = cable;
    const impostor = new TestAgent('alice', random);
    await expect(hub.connect(impostor.credentials(), new Diary())).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      retryable: false,
    });
    expect(cable.attempts).toBe(attempts + 1);
    await hub.close();
  });

  test('another hub at the same address is refused with HUB_KEY_CHANGED before authentication', async () => {
    const { cable, hub, diaries } = await twoAgents();
    const store = new MemoryHubStore();
    const real = cable.hub;
    cable.hub = new LocalHub({ store });
    cable.cut();
    await diaries.alice.until('down HUB_KEY_CHANGED');
    await diaries.bob.until('down HUB_KEY_CHANGED');
    expect(await store.counts()).toMatchObject({ agents: 0 });
    // It is news, not an end: the hub with the right key serves again.
    cable.hub = real;
    await diaries.alice.until('authenticated');
    await diaries.bob.until('authenticated');
    await hub.close();
  });

  test('a hub key that the agent knows is compared before the first authentication', async () => {
    await ready();
    const cable = new Cable();
    const hub = networkHub({ host: 'localhost' }, cable.host());
    const agent = new TestAgent('careful', random);
    const hubKey = new TestAgent('other', random).keyPair.identity.signing;
    await expect(hub.connect(agent.credentials({ hubKey }), new Diary())).rejects.toMatchObject({
      code: 'HUB_KEY_CHANGED',
    });
    expect(hub.hubKey).toBeNull();
  });
});

describe('a move to another hub', () => {
  test('a hub key that the user wrote down counts more than one that the agent saw before', async () => {
    const { cable, hub } = await twoAgents();
    const hubKey = hub.hubKey!;
    const moved = networkHub({ host: 'localhost', hubKey }, cable.host());
    const agent = new TestAgent('mover', random);
    const elsewhere = new TestAgent('other', random).keyPair.identity.signing;
    const line = await moved.connect(agent.credentials({ hubKey: elsewhere }), new Diary());
    expect(line.session.hubKey).toEqual(hubKey);
  });
});

describe('ends', () => {
  test('close while the hub is away ends the waiting requests', async () => {
    const { cable, hub, lines, diaries, envelope } = await twoAgents();
    cable.connected = false;
    cable.cut();
    await diaries.alice.until('down CONNECTION_LOST');
    const sending = lines.alice.send(envelope('x')).catch((error: unknown) => error);
    await hub.close();
    expect(await sending).toMatchObject({ code: 'CONNECTION_LOST' });
    expect(diaries.alice.news.at(-1)).toBe('closed by us');
    await expect(
      hub.connect(new TestAgent('late', random).credentials(), new Diary()),
    ).rejects.toMatchObject({ code: 'HUB_CLOSED' });
  });

  test('the first connection that has to be tried again says why, once', async () => {
    await ready();
    const cable = new Cable();
    cable.connected = false;
    const hub = networkHub({ host: 'localhost' }, cable.host());
    const diary = new Diary();
    const connecting = hub.connect(new TestAgent('early', random).credentials(), diary);
    await diary.until('down CONNECTION_LOST');
    cable.connected = true;
    await connecting;
    expect(diary.news).toEqual(['down CONNECTION_LOST']);
  });

  test('an authentication that comes too late is tried again on a new connection', async () => {
    await ready();
    let aheadMs = 0;
    const ticks = new Set<() => void>();
    const cable = new Cable(
      new LocalHub({
        host: {
          ...systemHost,
          clock: () => systemHost.clock() + aheadMs,
          every: (_ms, task) => {
            ticks.add(task);
            return () => ticks.delete(task);
          },
        },
      }),
    );
    const hub = networkHub({ host: 'localhost' }, cable.host());
    const agent = new TestAgent('sleepy', random);
    const credentials = agent.credentials({
      sign: (text) => {
        // As where the process is suspended between the hub's challenge and its answer.
        while (aheadMs < 11_000) {
          aheadMs += 1_000;
          for (const tick of ticks) tick();
        }
        return agent.keyPair.sign(text);
      },
    });
    const diary = new Diary();
    const line = await hub.connect(credentials, diary);
    expect(diary.news).toEqual(['down TIMEOUT']);
    expect(cable.attempts).toBe(2);
    expect((await line.list({})).names).toEqual([]);
  });

  test('nobody listening: connect rejects with a retryable error after its time', async () => {
    await ready();
    const hub = networkHub({ host: '127.0.0.1', port: 9, connectTimeoutMs: 300 });
    const agent = new TestAgent('lonely', random);
    await expect(hub.connect(agent.credentials(), new Diary())).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      retryable: true,
    });
  });
});
