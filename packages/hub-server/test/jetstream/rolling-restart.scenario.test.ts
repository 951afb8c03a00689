/**
 * Hubs over one NATS are restarted one after the other, as for an upgrade, while agents that know
 * all their addresses talk without a pause.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Agent } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';
import { ready } from '@agentmesh/protocol';
import { NetworkHubServer } from '../../src/index.js';
import { JetStreamHubStore } from '../../src/jetstream.js';
import { certificate } from '../served-hub.js';
import { hasNats, NatsNode } from './nats-process.js';

const HUBS = 3;
const AGENTS = 6;
/** Messages that pass between two restarts. */
const BETWEEN = 60;

const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

/** One of the hubs, which comes back at its port. */
class RollingHub {
  port = 0;
  readonly #servers: string;
  readonly #hubKeyFile: string;
  #store: JetStreamHubStore | null = null;
  #server: NetworkHubServer | null = null;

  constructor(servers: string, hubKeyFile: string) {
    this.#servers = servers;
    this.#hubKeyFile = hubKeyFile;
  }

  async start(): Promise<void> {
    const options = { servers: this.#servers, hubKeyFile: this.#hubKeyFile, shards: 1 };
    this.#store = await JetStreamHubStore.open(options);
    const { port } = this;
    this.#server = new NetworkHubServer({ store: this.#store, port, tls: await certificate() });
    await this.#server.start();
    this.port = this.#server.port;
  }

  /** What the command does on SIGTERM. */
  async stop(): Promise<void> {
    this.#server?.retire();
    await this.#server?.stop();
    await this.#store?.close();
  }
}

class Talker {
  readonly name: string;
  readonly agent: Agent;
  readonly sent: string[] = [];
  readonly received: string[] = [];
  interruptions = 0;

  constructor(name: string, agent: Agent) {
    this.name = name;
    this.agent = agent;
    agent.onMessage(({ text }) => {
      this.received.push(text ?? '');
    });
    agent.on('connection', ({ state }) => {
      if (state === 'offline') this.interruptions += 1;
    });
  }

  /** One message after the other, each once the hub has the one before. */
  async talkTo(peer: Talker, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const text = `${this.name} ${this.sent.length}`;
      await this.agent.send(peer.name, text);
      this.sent.push(text);
    }
  }
}

async function world(): Promise<{ hubs: RollingHub[]; talkers: Talker[] }> {
  await ready();
  const nats = await NatsNode.single();
  endings.push(() => nats.dispose());
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-rolling-'));
  endings.push(() => rmSync(folder, { recursive: true }));
  const hubs: RollingHub[] = [];
  for (let at = 0; at < HUBS; at++) {
    const hub = new RollingHub(nats.url, join(folder, 'hub.key'));
    await hub.start();
    endings.push(() => hub.stop());
    hubs.push(hub);
  }
  const hosts = hubs.map(({ port }) => `127.0.0.1:${port}`);
  const network = new NetworkHub({ hosts });
  endings.push(() => network.close());
  const talkers: Talker[] = [];
  for (let at = 0; at < AGENTS; at++) {
    const name = `agent-${at}`;
    const agent = await Agent.create(name, { hub: network, logLevel: 'silent' });
    endings.push(() => agent.close());
    talkers.push(new Talker(name, agent));
  }
  return { hubs, talkers };
}

const suite = hasNats() ? describe : describe.skip;
suite('a rolling restart of three hubs over NATS', () => {
  test('costs talking agents no message, doubles none and keeps their order', async () => {
    const { hubs, talkers } = await world();
    const peerOf = (at: number): Talker => talkers[(at + 1) % talkers.length]!;
    const passed = () => talkers.reduce((sum, { received }) => sum + received.length, 0);
    let isOver = false;
    const talk = Promise.all(
      talkers.map((talker, at) => talker.talkTo(peerOf(at), () => isOver)),
    ).finally(() => (isOver = true));
    for (const hub of hubs) {
      const before = passed();
      await until(() => isOver || passed() >= before + BETWEEN);
      await hub.stop();
      await until(() => isOver || passed() >= before + 2 * BETWEEN);
      await hub.start();
    }
    isOver = true;
    await talk;
    await until(() => talkers.every(({ sent }, at) => peerOf(at).received.length >= sent.length));
    for (const [at, { sent, interruptions }] of talkers.entries()) {
      expect(peerOf(at).received).toEqual(sent);
      expect(interruptions).toBeGreaterThan(0);
    }
  });
});
