/**
 * What NATS passes on as it stores it: the hub of a recipient gets each envelope at once and reads
 * nothing, sees what is missing, and does without where the streams are of an earlier version.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { HandedOver } from '@agentmesh/hub-local';
import { ready, toBase64Url } from '@agentmesh/protocol';
import type { Delivery } from '@agentmesh/protocol';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { FailureLog } from '../../src/failure-log.js';
import { HubMetrics } from '../../src/hub-metrics.js';
import { NetworkHubServer } from '../../src/index.js';
import { Layout, NOTE_HEADER, streamSettings } from '../../src/jetstream/layout.js';
import { NatsLink } from '../../src/jetstream/nats-link.js';
import { JetStreamHubStore } from '../../src/jetstream.js';
import { certificate } from '../served-hub.js';
import { join as joinHub, newAgent, until } from '../test-clients.js';
import { hasNats, NatsNode } from './nats-process.js';
import { AID, changesOf, storeOver } from './one-queue.js';

const WAIT_MS = 30_000;
const MESSAGES = 50;
jest.setTimeout(90_000);
beforeAll(() => ready());

const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const end of endings.splice(0).toReversed()) await end();
});

async function nats(): Promise<NatsNode> {
  const node = await NatsNode.single();
  endings.push(() => node.dispose());
  return node;
}

/** The streams as they were made before they passed anything on. */
async function makeOldStreams(url: string): Promise<void> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  const layout = new Layout('agentmesh', 1);
  for (const plan of [layout.metaPlan, ...layout.plans]) {
    const { republish: _, ...settings } = streamSettings(plan, 1);
    await manager.streams.add(settings);
  }
  await connection.close();
}

/** Ports of hubs over one store. */
async function hubs(url: string, count: number): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-handed-'));
  endings.push(() => rmSync(folder, { recursive: true }));
  const tls = await certificate();
  const ports: number[] = [];
  for (let at = 0; at < count; at++) {
    const hubKeyFile = join(folder, 'hub.key');
    const store = await JetStreamHubStore.open({ servers: url, hubKeyFile, shards: 1 });
    endings.push(() => store.close());
    const server = await new NetworkHubServer({ store, port: 0, tls }).start();
    endings.push(() => server.stop());
    ports.push(server.port);
  }
  return ports;
}

const idOf = (number: number): Uint8Array => new Uint8Array(16).fill(number);

/** Bob at the last hub gets what Alice sends at the first one, in order and once. */
async function talk(
  ports: readonly number[],
  before: (recipient: Uint8Array) => void = () => undefined,
): Promise<readonly Delivery[]> {
  const bob = newAgent('robert');
  const deliveries: Delivery[] = [];
  const line = await joinHub(ports.at(-1) ?? 0, bob, {
    deliver: (delivery) => {
      deliveries.push(delivery);
      line.ack([delivery.seq]);
      line.credit({ messages: 1, bytes: delivery.envelope.blob.length });
    },
  });
  const alice = await joinHub(ports[0] ?? 0, newAgent('alice'));
  for (let number = 1; number <= MESSAGES; number++) {
    const blob = new Uint8Array(100).fill(number);
    before(bob.aid);
    await alice.send({ id: idOf(number), to: bob.aid, ttlSeconds: 60, blob });
  }
  await until(() => deliveries.length >= MESSAGES, WAIT_MS);
  expect(deliveries.map(({ envelope }) => envelope.id[0])).toEqual(
    Array.from({ length: MESSAGES }, (_, at) => at + 1),
  );
  return deliveries;
}

const suite = hasNats() ? describe : describe.skip;
suite('an envelope that NATS has stored', () => {
  test('is handed to whoever attends its queue, with the number of the one before', async () => {
    const { url } = await nats();
    const [one, other] = [await storeOver(url, endings), await storeOver(url, endings)];
    const heard: HandedOver[] = [];
    const failures: unknown[] = [];
    const attend = () =>
      other.neighbours.attend?.(
        AID,
        (stored) => void heard.push(stored),
        (error) => void failures.push(error),
      );
    const stop = attend();
    // What is asked after it was attended to is answered after that.
    await other.queued(AID);
    const { appended } = await one.commit(changesOf([1, 2, 3]));
    await until(() => heard.length === 3, WAIT_MS);
    const seqs = appended.map((outcome) => (outcome.status === 'stored' ? outcome.seq : 0));
    expect(heard.map(({ seq }) => seq)).toEqual(seqs);
    expect(heard.map(({ follows }) => follows)).toEqual([0, seqs[0], seqs[1]]);
    const [first] = changesOf([1]).append;
    const { id, from, tsMs, expiresMs, blob } = first!;
    expect(heard[0]).toEqual({ seq: seqs[0], follows: 0, id, from, tsMs, expiresMs, blob });
    stop?.();
    await other.queued(AID);
    await one.commit(changesOf([4]));
    attend();
    await other.queued(AID);
    await one.commit(changesOf([5]));
    await until(() => heard.length === 4, WAIT_MS);
    // The fourth was missed: the fifth says so.
    expect(heard[3]?.follows).toBeGreaterThan(seqs[2] ?? 0);
    expect(failures).toEqual([]);
  });

  test('reaches a connected agent at another hub without being read, and without a hint', async () => {
    const { url } = await nats();
    const ports = await hubs(url, 2);
    const reads = ['at', 'next', 'scan'] as const;
    const queue = new Layout('agentmesh', 1).queueStream(0);
    const spies = reads.map((name) => jest.spyOn(NatsLink.prototype, name));
    const tell = jest.spyOn(NatsLink.prototype, 'tell');
    await talk(ports);
    const asked = spies.flatMap(({ mock }) => mock.calls as unknown[][]);
    const ofQueue = asked.filter(([what]) => what === queue || Object(what).stream === queue);
    // Whether something waits, once, when it connects; and the ledger once a second.
    expect(ofQueue.length).toBeLessThan(MESSAGES / 2);
    const hints = tell.mock.calls.filter(([, data]) =>
      new TextDecoder().decode(data).includes('"stored":["'),
    );
    expect(hints).toEqual([]);
  });

  test('is found by a hint where the streams of an earlier version pass on nothing', async () => {
    const { url } = await nats();
    await makeOldStreams(url);
    const store = await storeOver(url, endings);
    expect(store.neighbours.attend).toBeUndefined();
    const tell = jest.spyOn(NatsLink.prototype, 'tell');
    const deliveries = await talk(await hubs(url, 2));
    const to = deliveries[0]?.envelope.to ?? new Uint8Array();
    const said = tell.mock.calls.map(([, data]) => new TextDecoder().decode(data)).join('');
    expect(said).toContain(toBase64Url(to));
  });

  test('that is lost on its way to the hub of its recipient is read before the next one', async () => {
    const { url } = await nats();
    const hear = Reflect.get(NatsLink.prototype, 'hearStored');
    let number = 0;
    jest.spyOn(NatsLink.prototype, 'hearStored').mockImplementation(function (
      this: NatsLink,
      subject,
      take,
    ) {
      const lossy: typeof take = (stored) => {
        number += 1;
        // Every third one goes missing, and the last comes twice.
        if (number % 3 !== 0) take(stored);
        if (number === MESSAGES - 1) take(stored);
      };
      return hear.call(this, subject, lossy);
    });
    expect(await talk(await hubs(url, 2))).toHaveLength(MESSAGES);
  });

  test('is told from rubbish on its subject, which is counted as a failure and loses nothing', async () => {
    const { url } = await nats();
    const connection = await connect({ servers: url });
    endings.push(() => connection.close());
    const failed = jest.spyOn(FailureLog.prototype, 'failed');
    const counted = jest.spyOn(HubMetrics.prototype, 'failed');
    const ports = await hubs(url, 2);
    let number = 0;
    await talk(ports, (recipient) => {
      number += 1;
      const subject = new Layout('agentmesh', 1).storedSubject(recipient);
      const head = headers();
      head.set('Nats-Sequence', `${number}`);
      head.set('Nats-Last-Sequence', '0');
      // No header at all, none of ours, one that is no note.
      if (number % 4 === 1) connection.publish(subject, 'rubbish');
      if (number % 4 === 2) connection.publish(subject, 'rubbish', { headers: head });
      head.set(NOTE_HEADER, '~'.repeat(139));
      if (number % 4 === 3) connection.publish(subject, 'rubbish', { headers: head });
    });
    await connection.flush();
    await until(() => counted.mock.calls.length >= (MESSAGES * 3) / 4 - 1, WAIT_MS);
    const codes = failed.mock.calls.map(([error]) => (error as { code?: string }).code);
    expect(new Set(codes)).toEqual(new Set(['STORE_CORRUPT']));
  });
});
