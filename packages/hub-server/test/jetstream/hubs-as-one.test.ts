/**
 * Two hubs over one NATS are one hub: what races, rates and replays could tear apart stays whole.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { TestAgent } from '@agentmesh/hub-compliance';
import { hubIdOf, ready, toHex } from '@agentmesh/protocol';
import type { HubConnection } from '@agentmesh/protocol';
import { NetworkHubServer } from '../../src/index.js';
import type { NetworkHubServerOptions } from '../../src/index.js';
import { JetStreamHubStore } from '../../src/jetstream.js';
import { certificate } from '../served-hub.js';
import { join as joinHub, newAgent, pause, rawClient, until } from '../test-clients.js';
import { hasNats, NatsNode } from './nats-process.js';

const WAIT_MS = 20_000;
jest.setTimeout(60_000);
beforeAll(() => ready());

const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

/** Two hubs with real time. */
async function twoHubs(limits: NetworkHubServerOptions['limits'] = {}): Promise<[number, number]> {
  const nats = await NatsNode.single();
  endings.push(() => nats.dispose());
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-two-'));
  endings.push(() => rmSync(folder, { recursive: true }));
  const hubKeyFile = join(folder, 'hub.key');
  const tls = await certificate();
  const ports: number[] = [];
  for (let at = 0; at < 2; at++) {
    const store = await JetStreamHubStore.open({ servers: nats.url, hubKeyFile, shards: 1 });
    endings.push(() => store.close());
    const server = await new NetworkHubServer({ store, port: 0, tls, limits }).start();
    endings.push(() => server.stop());
    ports.push(server.port);
  }
  const [a = 0, b = 0] = ports;
  return [a, b];
}

let ids = 0;
const outgoing = (to: TestAgent, ttlSeconds = 3_600) => {
  ids += 1;
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, ids);
  return { id, to: to.aid, ttlSeconds, blob: new Uint8Array(100) };
};
const answerOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'sent',
    (error: { code: string }) => error.code,
  );

async function publish(connection: HubConnection, agent: TestAgent, keys: number): Promise<void> {
  const nowMs = Date.now();
  const hubId = hubIdOf(connection.session.hubKey);
  await connection.putIdentity(agent.record({ hubId, nowMs }));
  const signed = [agent.signedPrekey(1, nowMs)];
  await connection.putPrekeys({ signed, oneTime: agent.oneTimePrekeys(keys, nowMs) });
}

const suite = hasNats() ? describe : describe.skip;
suite('two hubs over one NATS', () => {
  test('tell a sender at one that its recipient at the other has to decide first', async () => {
    const ports = await twoHubs();
    const [alice, bob] = [newAgent('alice'), newAgent('bob')];
    const notices: unknown[] = [];
    const sender = await joinHub(ports[0], alice, { notice: (notice) => notices.push(notice) });
    const receiver: HubConnection = await joinHub(ports[1], bob, {
      deliver: ({ seq }) => receiver.nack({ seq, delayMs: 60_000, reason: 'IDENTITY_CHANGED' }),
    });
    const envelope = outgoing(bob);
    await sender.send(envelope);
    await until(() => notices.length > 0, WAIT_MS);
    expect(notices).toMatchObject([
      { id: envelope.id, what: 'put_off', reason: 'IDENTITY_CHANGED' },
    ]);
  });

  test('hand out each one-time prekey once, to whoever races for it at either', async () => {
    const ports = await twoHubs();
    const bob = newAgent('bob');
    await publish(await joinHub(ports[0], bob), bob, 30);
    const fetchers = await Promise.all(
      Array.from({ length: 10 }, (_, at) => joinHub(ports[at % 2] ?? 0, newAgent(`f-${at}`))),
    );
    const bundles = await Promise.all(
      fetchers.flatMap((one) => [1, 2, 3, 4].map(() => one.getBundle('bob', { oneTime: true }))),
    );
    const served = bundles.flatMap(({ oneTime }) =>
      oneTime === undefined ? [] : [toHex(oneTime)],
    );
    expect(served).toHaveLength(30);
    expect(new Set(served).size).toBe(30);
  });

  test('let exactly one of many connections of an identity live, and that one receives', async () => {
    const ports = await twoHubs();
    const bob = newAgent('bob');
    const open = new Set<number>();
    const received: number[] = [];
    const closings: (string | undefined)[] = [];
    await Promise.allSettled(
      Array.from({ length: 10 }, async (_, at) => {
        open.add(at);
        const closed = (error: { readonly code: string } | null): void => {
          open.delete(at);
          closings.push(error?.code);
        };
        // One that is displaced before it was let in is told so by its refusal.
        await joinHub(ports[at % 2] ?? 0, bob, { deliver: () => received.push(at), closed }).catch(
          closed,
        );
      }),
    );
    await until(() => open.size === 1, WAIT_MS);
    expect(new Set(closings)).toEqual(new Set(['DISPLACED']));
    const sender = await joinHub(ports[0], newAgent('alice'));
    await sender.send(outgoing(bob));
    await until(() => received.length > 0, WAIT_MS);
    expect(received).toEqual([...open]);
  });

  test('refuse an answer to the greeting of the other one', async () => {
    const ports = await twoHubs();
    const alice = newAgent('alice');
    const [first, second] = [await rawClient(ports[0]), await rawClient(ports[1])];
    const { frame } = await first.auth(alice.credentials());
    await second.begin();
    second.send(frame);
    expect(await second.next('error')).toMatchObject({ code: 'BAD_AUTH' });
    first.send(frame);
    await first.next('auth_ok');
    const third = await rawClient(ports[1]);
    await third.begin();
    third.send(frame);
    expect(await third.next('error')).toMatchObject({ code: 'BAD_AUTH' });
  });

  test('count the rate of a sender that goes from one to the other as one rate', async () => {
    const ports = await twoHubs({ sendBurst: 6, sendsPerSecond: 1 });
    const bob = newAgent('bob');
    await joinHub(ports[0], bob);
    const alice = newAgent('alice');
    const startedMs = Date.now();
    const answers: string[] = [];
    for (const at of [0, 1, 0, 1]) {
      const sender = await joinHub(ports[at] ?? 0, alice);
      for (let n = 0; n < 4; n++) answers.push(await answerOf(sender.send(outgoing(bob))));
    }
    const earned = Math.ceil((Date.now() - startedMs) / 1_000);
    const sent = answers.filter((answer) => answer === 'sent').length;
    expect(sent).toBeGreaterThanOrEqual(6);
    expect(sent).toBeLessThanOrEqual(6 + earned);
  });

  test('keep a quota, except for what both add to it within a second', async () => {
    const quota = 8;
    const ports = await twoHubs({ queueMessages: quota });
    const bob = newAgent('bob');
    await (await joinHub(ports[0], bob)).close();
    const senders = await Promise.all(
      Array.from({ length: 8 }, (_, at) => joinHub(ports[at % 2] ?? 0, newAgent(`s-${at}`))),
    );
    const rush = () =>
      Promise.all(senders.flatMap((one) => [1, 2].map(() => answerOf(one.send(outgoing(bob))))));
    const first = (await rush()).filter((answer) => answer === 'sent').length;
    expect(first).toBeGreaterThanOrEqual(quota);
    // Each of the two knows of its own.
    expect(first).toBeLessThanOrEqual(2 * quota);
    await pause(1_100);
    expect(new Set(await rush())).toEqual(new Set(['QUEUE_FULL']));
  });

  test('tell a sender once what expired, at whichever hub it is', async () => {
    const ports = await twoHubs();
    const bob = newAgent('bob');
    await (await joinHub(ports[0], bob)).close();
    const notices: string[] = [];
    const envelopes = [outgoing(bob, 1), outgoing(bob, 1)];
    for (const [at, envelope] of envelopes.entries()) {
      const sender = await joinHub(ports[at] ?? 0, newAgent(`s-${at}`), {
        notice: ({ id, what }) => notices.push(`${toHex(id)} ${what}`),
      });
      await sender.send(envelope);
    }
    await until(() => notices.length === 2, WAIT_MS);
    await pause(1_500);
    const expected = envelopes.map(({ id }) => `${toHex(id)} expired`);
    expect(notices.toSorted()).toEqual(expected.toSorted());
  });
});
