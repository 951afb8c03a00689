/**
 * What agents and operators notice while NATS is away, full or has lost its majority, and that all
 * of it passes by itself. `AGENTMESH_NATS_AWAY_MS=60000` for the long absence.
 */
import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ready, toHex } from '@agentmesh/protocol';
import type { HubConnection } from '@agentmesh/protocol';
import { NetworkHubServer } from '../../src/index.js';
import { JetStreamHubStore } from '../../src/jetstream.js';
import type { JetStreamHubStoreOptions } from '../../src/jetstream.js';
import { certificate } from '../served-hub.js';
import { join as joinHub, newAgent, pause, until } from '../test-clients.js';
import { NatsCluster } from './nats-cluster.js';
import { hasNats, NatsNode } from './nats-process.js';

const AWAY_MS = Number(process.env['AGENTMESH_NATS_AWAY_MS'] ?? 3_000);
const BACK_MS = 30_000;

jest.setTimeout(AWAY_MS + 120_000);
beforeAll(() => ready());

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
}

/** A hub over NATS, and what it logs. */
async function startHub(servers: string, more: Partial<JetStreamHubStoreOptions> = {}) {
  const folder = endings.length;
  const hubKeyFile = `${nodeFolder}/hub-${folder}.key`;
  const store = await JetStreamHubStore.open({ servers, hubKeyFile, shards: 1, ...more });
  const lines: Line[] = [];
  const log = (level: Line['level']) => (_fields: object, message: string) =>
    void lines.push({ level, message });
  const logger = { info: log('info'), warn: log('warn'), error: log('error') };
  const tls = await certificate();
  const server = await new NetworkHubServer({ store, port: 0, tls, logger }).start();
  endings.push(() => store.close());
  endings.push(() => server.stop());
  const page = async (path: string) =>
    (await fetch(`http://127.0.0.1:${server.port}${path}`)).status;
  return { server, lines, page };
}

let nodeFolder = '';

async function startNode(settings: Parameters<typeof NatsNode.single>[0] = {}): Promise<NatsNode> {
  const node = await NatsNode.single(settings);
  nodeFolder = node.folder;
  endings.push(() => node.dispose());
  return node;
}

let ids = 0;

/** Sends one envelope; `sent`, or the code of the refusal and whether it says to try again. */
async function send(from: HubConnection, to: Uint8Array, bytes = 1_000): Promise<string> {
  ids += 1;
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, ids);
  return from.send({ id, to, ttlSeconds: 3_600, blob: new Uint8Array(bytes) }).then(
    () => `sent ${toHex(id)}`,
    (error: { code: string; retryable: boolean }) => `${error.code} ${error.retryable}`,
  );
}

async function pageBecomes(page: () => Promise<number>, status: number): Promise<void> {
  for (const endMs = Date.now() + BACK_MS; Date.now() < endMs; await pause(50)) {
    if ((await page()) === status) return;
  }
  throw new TypeError(`never ${status}`);
}

const suite = hasNats() ? describe : describe.skip;
suite('a hub whose NATS', () => {
  test(`is away for ${AWAY_MS} ms under load refuses with STORAGE and goes on by itself`, async () => {
    const node = await startNode();
    const { server, page, lines } = await startHub(node.url);
    const bob = newAgent('bob');
    const received = new Set<string>();
    const receiver = await joinHub(server.port, bob, {
      deliver: ({ seq, envelope }) => {
        received.add(`sent ${toHex(envelope.id)}`);
        receiver.ack([seq]);
        receiver.credit({ messages: 1, bytes: envelope.blob.length });
      },
    });
    const sender = await joinHub(server.port, newAgent('alice'));
    const answers: string[] = [];
    let isOver = false;
    const load = (async () => {
      while (!isOver) {
        answers.push(await send(sender, bob.aid));
        // Refusals beyond a hundred a second would be a flood.
        await pause(20);
      }
    })();
    await until(() => answers.length > 20, 10_000);
    await node.kill();
    await pageBecomes(() => page('/readyz'), 503);
    expect(await page('/healthz')).toBe(200);
    await pause(AWAY_MS);
    const refusedNow = answers.at(-1);
    await node.start();
    await pageBecomes(() => page('/readyz'), 200);
    const before = answers.length;
    await until(() => answers.slice(before).some((one) => one.startsWith('sent')), BACK_MS);
    isOver = true;
    await load;
    expect(refusedNow).toBe('STORAGE true');
    const refusals = new Set(answers.filter((one) => !one.startsWith('sent')));
    expect([...refusals]).toEqual(['STORAGE true']);
    const sent = answers.filter((one) => one.startsWith('sent'));
    await until(() => sent.every((one) => received.has(one)), BACK_MS);
    expect(lines).toContainEqual(
      expect.objectContaining({ message: expect.stringMatching(/^store is away/) }),
    );
    await until(() => lines.some(({ message }) => message === 'store is back'));
    expect(lines.length).toBeLessThan(20 + AWAY_MS / 1_000);
  });

  test.each([
    ['server', { jetstream: 'max_file_store: 8MB' }],
    [
      'account',
      {
        extra:
          'accounts { HUB { jetstream { max_file: 8MB }\nusers: [{ user: hub, password: x }] } }',
      },
    ],
  ])(
    'is full by the limit of its %s refuses envelopes, and takes some again once others are gone',
    async (_limit, settings) => {
      const node = await startNode(settings);
      const { server, page } = await startHub(node.url.replace('//', '//hub:x@'));
      const bob = newAgent('bob');
      const seqs: number[] = [];
      const receiver = await joinHub(server.port, bob, { deliver: ({ seq }) => seqs.push(seq) });
      const sender = await joinHub(server.port, newAgent('alice'));
      const answers: string[] = [];
      while (!answers.some((one) => !one.startsWith('sent')) && answers.length < 200) {
        answers.push(await send(sender, bob.aid, 100_000));
        await pause(20);
      }
      expect(answers.at(-1)).toBe('STORAGE true');
      expect(answers.length).toBeGreaterThan(50);
      expect(await page('/readyz')).toBe(200);
      await until(() => seqs.length > 40, 5_000);
      receiver.ack(seqs.splice(0, 30));
      let answer = '';
      for (const endMs = Date.now() + BACK_MS; Date.now() < endMs && !answer.startsWith('sent');) {
        await pause(100);
        answer = await send(sender, bob.aid, 100_000);
      }
      expect(answer).toMatch(/^sent/);
    },
  );
});

suite('a hub whose node of NATS', () => {
  test('leads its queues and stops answering goes on with the others', async () => {
    const cluster = await NatsCluster.start();
    endings.push(() => cluster.dispose());
    nodeFolder = cluster.node(0).folder;
    const { server, page } = await startHub(cluster.servers);
    const bob = newAgent('bob');
    await joinHub(server.port, bob);
    const sender = await joinHub(server.port, newAgent('alice'));
    const leader = await cluster.streamLeader('AGENTMESH_QUEUE_0');
    await leader.freeze();
    let answer = '';
    for (const endMs = Date.now() + BACK_MS; Date.now() < endMs && !answer.startsWith('sent');) {
      answer = await send(sender, bob.aid);
      await pause(50);
    }
    expect(answer).toMatch(/^sent/);
    await pageBecomes(() => page('/readyz'), 200);
  });
});
