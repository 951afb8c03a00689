/**
 * One agent's line over the addresses of several hubs that share one store: what makes it move on,
 * what does not, and when it pauses.
 */
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { seededRandom, TestAgent } from '@agentmesh/hub-compliance';
import { LocalHub, MemoryHubStore } from '@agentmesh/hub-local';
import { ready } from '@agentmesh/protocol';
import { NetworkHub } from '../src/index.js';
import type { ClientHost, NetworkHubOptions } from '../src/index.js';
import { Cable, Diary } from './cable.js';

const random = seededRandom(11);
const PATIENCE_MS = 4_000;
const hubs: NetworkHub[] = [];

beforeAll(() => ready());
afterEach(async () => {
  await Promise.all(hubs.splice(0).map((hub) => hub.close()));
});

/** Hubs with names for addresses, all over one store, and a client that writes down its waits. */
class Switchboard {
  readonly store = new MemoryHubStore();
  readonly cables: ReadonlyMap<string, Cable>;
  /** In the order of time: names of hubs that were tried, and back-off. */
  readonly steps: string[] = [];

  constructor(names: readonly string[] = ['a', 'b', 'c']) {
    this.cables = new Map(names.map((name) => [name, new Cable(this.newHub())]));
  }

  newHub(): LocalHub {
    return new LocalHub({ store: this.store });
  }

  at(name: string): Cable {
    const cable = this.cables.get(name);
    if (cable === undefined) throw new Error(`no hub ${name}`);
    return cable;
  }

  /** The hub that was tried last. */
  get latest(): string {
    return this.steps.findLast((step) => step !== 'pause') ?? '';
  }

  host(): Partial<ClientHost> {
    return {
      random,
      open: (address, events, limits) => {
        this.steps.push(address.host);
        return this.at(address.host).open(address, events, limits);
      },
      after: (delayMs, task) => {
        // Only pauses between rounds are shorter than a second: they are made shorter still.
        const isPause = delayMs > 0 && delayMs < 1_000;
        if (isPause) this.steps.push('pause');
        const timer = setTimeout(task, isPause ? 5 : delayMs);
        return () => clearTimeout(timer);
      },
    };
  }

  client(more: Partial<NetworkHubOptions> = {}): NetworkHub {
    const options = { hosts: [...this.cables.keys()], connectTimeoutMs: PATIENCE_MS, ...more };
    const hub = new NetworkHub(options, this.host());
    hubs.push(hub);
    return hub;
  }
}

function moment(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 1);
  });
}

async function connected(board = new Switchboard()) {
  const hub = board.client();
  const agent = new TestAgent('alice', random);
  const diary = new Diary();
  const line = await hub.connect(agent.credentials(), diary);
  const envelope = () => ({ id: random(16), to: agent.aid, ttlSeconds: 60, blob: random(8) });
  return { board, hub, agent, diary, line, envelope };
}

describe('a line to several hubs', () => {
  test('passes over those that do not answer, without a pause', async () => {
    const board = new Switchboard();
    for (const name of ['a', 'b']) board.at(name).connected = false;
    for (let agent = 0; agent < 5; agent++) {
      const credentials = new TestAgent(`agent-${agent}`, random).credentials();
      await board.client().connect(credentials, new Diary());
      expect(board.latest).toBe('c');
    }
    expect(board.steps).not.toContain('pause');
    expect(board.steps.length).toBeGreaterThan(5);
  });

  test('moves on at once when its hub dies; news say down and authenticated', async () => {
    const { board, diary, line } = await connected();
    const first = board.latest;
    board.at(first).connected = false;
    board.at(first).cut();
    await diary.until('authenticated');
    expect(diary.news).toEqual(['down CONNECTION_LOST', 'authenticated']);
    expect(board.latest).not.toBe(first);
    expect(board.steps).toHaveLength(2);
    expect(await line.list({})).toEqual({ names: [], next: null });
  });

  test('when its hub says goodbye, what it had not answered goes out on the next', async () => {
    const { board, diary, line, envelope } = await connected();
    const hub = board.at(board.latest);
    hub.loses.add('sent').add('deliver');
    const sending = line.send(envelope());
    while (hub.hub.messageCount === 0) await moment();
    await hub.hub.close();
    expect(await sending).toEqual({ seq: 1, duplicate: true });
    await diary.until('authenticated');
    expect(diary.news.slice(0, 2)).toEqual(['down SHUTTING_DOWN', 'authenticated']);
    expect(board.steps).not.toContain('pause');
  });

  test('gives up a hub that takes the connection and says nothing', async () => {
    const board = new Switchboard(['a', 'b']);
    board.at('a').deaf = true;
    const agents = ['alice', 'bob', 'carol', 'dave'].map((name) => new TestAgent(name, random));
    await Promise.all(
      agents.map((agent) => board.client().connect(agent.credentials(), new Diary())),
    );
    expect(board.steps.filter((step) => step === 'b')).toHaveLength(4);
    expect(board.at('a').attempts).toBeGreaterThan(0);
  });

  test('pauses only after all have failed, and then tries all again', async () => {
    const { board, diary } = await connected();
    for (const cable of board.cables.values()) cable.connected = false;
    board.steps.length = 0;
    board.at('a').cut();
    board.at('b').cut();
    board.at('c').cut();
    while (board.steps.filter((step) => step === 'pause').length < 3) {
      await moment();
    }
    for (const cable of board.cables.values()) cable.connected = true;
    await diary.until('authenticated');
    const rounds = board.steps.join(' ').split('pause').slice(0, 3);
    expect(rounds.map((round) => round.trim().split(' ').length)).toEqual([2, 3, 3]);
  });

  test('hubs that take it and drop it in turn are not tried without a pause', async () => {
    const { board, diary } = await connected();
    for (let drops = 1; drops <= 12; drops++) {
      board.at(board.latest).cut();
      while (diary.news.filter((news) => news === 'authenticated').length < drops) await moment();
    }
    expect(board.steps.filter((step) => step === 'pause')).toHaveLength(4);
  });

  test('rejects with the names of all when none answers', async () => {
    const board = new Switchboard();
    for (const cable of board.cables.values()) cable.connected = false;
    const hub = board.client({ connectTimeoutMs: 1 });
    const connecting = hub.connect(new TestAgent('lonely', random).credentials(), new Diary());
    const error: unknown = await connecting.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'CONNECTION_LOST', retryable: true });
    for (const name of ['a', 'b', 'c']) expect(String(error)).toContain(`${name}:7700`);
  });
});

describe('a hub with another key among several', () => {
  test('is passed over, and nothing is registered there', async () => {
    const { board, hub } = await connected();
    const strangers = new MemoryHubStore();
    const other = [...board.cables.keys()].find((name) => name !== board.latest) ?? '';
    board.at(other).hub = new LocalHub({ store: strangers });
    const { hubKey } = hub;
    for (let number = 0; number < 6; number++) {
      const credentials = new TestAgent(`agent-${number}`, random).credentials();
      const line = await board.client({ hubKey: hubKey! }).connect(credentials, new Diary());
      expect(line.session.hubKey).toEqual(hubKey);
    }
    expect(board.at(other).attempts).toBeGreaterThan(0);
    expect(await strangers.counts()).toMatchObject({ agents: 0 });
  });

  test('everywhere is news of the line, and the error of a first connection says where', async () => {
    const { board, diary } = await connected();
    const strange = new LocalHub();
    for (const cable of board.cables.values()) cable.hub = strange;
    board.at(board.latest).cut();
    await diary.until('down HUB_KEY_CHANGED');
    expect(diary.news.filter((news) => news.startsWith('closed'))).toEqual([]);
    const hub = board.client({ hubKey: new Uint8Array(32).fill(9) });
    const connecting = hub.connect(new TestAgent('bob', random).credentials(), new Diary());
    const error: unknown = await connecting.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'HUB_KEY_CHANGED', retryable: false });
    for (const name of ['a', 'b', 'c']) {
      expect(String(error)).toContain(`${name}:7700 HUB_KEY_CHANGED`);
    }
  });

  test('gets no agent whose line was begun before the first key was pinned', async () => {
    const board = new Switchboard(['a', 'b']);
    board.at('b').hub = new LocalHub();
    const hub = board.client();
    const agents = Array.from({ length: 8 }, (_, at) => new TestAgent(`agent-${at}`, random));
    const lines = await Promise.all(
      agents.map((agent) => hub.connect(agent.credentials(), new Diary())),
    );
    const keys = new Set(lines.map(({ session }) => String(session.hubKey)));
    expect(new Set(board.steps).size).toBe(2);
    expect(keys.size).toBe(1);
  });
});

describe('an attempt that a slow hub admits after it was given up', () => {
  test('costs one reconnection; a second displacement is another process and final', async () => {
    const board = new Switchboard(['a', 'b']);
    board.at('a').loses.add('auth_ok');
    let agent = new TestAgent('agent', random);
    let diary = new Diary();
    // Somebody who begins at the slow hub.
    for (let number = 1; board.at('a').attempts === 0; number++) {
      agent = new TestAgent(`agent-${number}`, random);
      diary = new Diary();
      await board.client().connect(agent.credentials(), diary);
    }
    expect(board.latest).toBe('b');
    board.at('a').loses.clear();
    // What the late admission does at the hub where the agent is.
    const late = await board.at('b').hub.connect(agent.credentials(), new Diary());
    await diary.until('authenticated');
    expect(diary.news).toEqual(['down CONNECTION_LOST', 'authenticated']);
    await late.close();
    await board.at(board.latest).hub.connect(agent.credentials(), new Diary());
    await diary.until('closed DISPLACED');
  });
});

describe('what no other hub can help', () => {
  test('a displaced line ends and tries no other address', async () => {
    const { board, agent, diary } = await connected();
    const hub = board.at(board.latest);
    const { steps } = board;
    const before = steps.length;
    await hub.hub.connect(agent.credentials(), new Diary());
    await diary.until('closed DISPLACED');
    expect(steps).toHaveLength(before);
  });

  test('a taken name is asked for at one address only', async () => {
    const { board } = await connected();
    const before = board.steps.length;
    const impostor = new TestAgent('alice', random).credentials();
    await expect(board.client().connect(impostor, new Diary())).rejects.toMatchObject({
      code: 'NAME_TAKEN',
    });
    expect(board.steps).toHaveLength(before + 1);
  });
});
