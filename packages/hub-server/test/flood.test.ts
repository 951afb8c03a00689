/**
 * One client that sends as fast as it can, beside honest ones (tests.md T-A12), and a hub whose
 * database is an older copy (T-S3). Times are printed and not asserted: they are the machine's.
 */
import { cpSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { beforeAll, expect, jest, test } from '@jest/globals';
import { toHex } from '@agentmesh/protocol';
import { ready } from '@agentmesh/protocol';
import type { HubConnection } from '@agentmesh/protocol';
import { HubProcess } from './hub-process.js';
import { inFolder } from './store-samples.js';
import { join, newAgent, pause, rawClient } from './test-clients.js';

jest.setTimeout(60_000);
beforeAll(() => ready());

/** 50 in a nightly run. */
const HONEST = Number(process.env['AGENTMESH_HUB_HONEST'] ?? 10);
const FLOOD_PER_TICK = 50;
const TICK_MS = 10;

let numbers = 0;

function envelope(to: Uint8Array, bytes = 256) {
  numbers += 1;
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, numbers);
  return { id, to, ttlSeconds: 60, blob: new Uint8Array(bytes).fill(numbers) };
}

/** Times of honest sends, in milliseconds, while something goes on. */
async function timesOf(
  senders: readonly HubConnection[],
  to: Uint8Array,
  ms: number,
): Promise<number[]> {
  const times: number[] = [];
  const endMs = Date.now() + ms;
  while (Date.now() < endMs) {
    await Promise.all(
      senders.map(async (sender) => {
        const startedMs = performance.now();
        await sender.send(envelope(to));
        times.push(performance.now() - startedMs);
      }),
    );
    await pause(40);
  }
  return times.toSorted((a, b) => a - b);
}

const p99 = (times: readonly number[]): string =>
  (times[Math.floor(times.length * 0.99)] ?? 0).toFixed(1);

async function residentMegabytes(port: number): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\d+)/m.exec(page)?.[1]) / 1e6;
}

/** Sends without waiting for anything, and comes back when it is thrown out. */
async function flood(port: number, to: Uint8Array, ms: number): Promise<Map<string, number>> {
  const codes = new Map<string, number>();
  const endMs = Date.now() + ms;
  const flooder = newAgent('flooder');
  while (Date.now() < endMs) {
    const client = await rawClient(port);
    client.send((await client.auth(flooder.credentials())).frame);
    await client.next('auth_ok');
    while (Date.now() < endMs && !client.isClosed) {
      for (let n = 0; n < FLOOD_PER_TICK; n++) {
        const { id, blob } = envelope(to);
        client.send({ type: 'send', id: client.nextId(), envelope: { id, to, ttl: 60, blob } });
      }
      await pause(TICK_MS);
      for (const { code } of client.all('error')) codes.set(code, (codes.get(code) ?? 0) + 1);
      const sent = client.all('sent').length;
      codes.set('sent', (codes.get('sent') ?? 0) + sent);
    }
    for (const { code } of client.all('bye')) codes.set(code, (codes.get(code) ?? 0) + 1);
    client.close();
  }
  return codes;
}

test(`T-A12 flood: ${HONEST} honest clients are served beside a flooder, in bounded memory`, () =>
  inFolder(async (folder) => {
    const hub = await HubProcess.start(folder);
    const bob = newAgent('bob');
    const connection = await join(hub.port, bob, {
      deliver: ({ seq, envelope: { blob } }) => {
        connection.ack([seq]);
        connection.credit({ messages: 1, bytes: blob.length });
      },
    });
    const victim = newAgent('victim');
    await (await join(hub.port, victim)).close();
    const names = Array.from({ length: HONEST }, (_, n) => `honest-${n}`);
    const honest = await Promise.all(names.map((name) => join(hub.port, newAgent(name))));
    const quiet = await timesOf(honest, bob.aid, 1_500);
    const before = await residentMegabytes(hub.port);
    const [flooded, codes] = await Promise.all([
      timesOf(honest, bob.aid, 3_000),
      flood(hub.port, victim.aid, 3_000),
    ]);
    const after = await residentMegabytes(hub.port);
    process.stderr.write(
      `p99 quiet ${p99(quiet)} ms, flooded ${p99(flooded)} ms; ` +
        `memory ${before.toFixed(0)} to ${after.toFixed(0)} MB; ` +
        `flooder ${JSON.stringify(Object.fromEntries(codes))}\n`,
    );
    // Beside it nobody waits, and it fills no more of a queue than a stranger may.
    expect(codes.get('QUEUE_FULL')).toBeGreaterThan(100);
    expect(codes.get('sent')).toBeLessThan(1_000);
    expect(flooded.length).toBeGreaterThan(HONEST);
    expect(after - before).toBeLessThan(150);
    await hub.kill();
  }));

test('T-S3 hub-rollback: an older copy of the database takes envelopes and ids again', () =>
  inFolder(async (folder) => {
    const [data, backup] = ['data', 'backup'].map((name) => joinPath(folder, name)) as [
      string,
      string,
    ];
    const [alice, bob] = ['alice', 'bob'].map(newAgent) as [
      ReturnType<typeof newAgent>,
      ReturnType<typeof newAgent>,
    ];
    const first = await HubProcess.start(data);
    await (await join(first.port, bob)).close();
    const sender = await join(first.port, alice);
    const early = envelope(bob.aid);
    await sender.send(early);
    const { hubKey } = sender.session;
    await first.kill();
    cpSync(data, backup, { recursive: true });
    const second = await HubProcess.start(data);
    alice.boot += 1;
    const again = await join(second.port, alice);
    const late = envelope(bob.aid);
    await again.send(late);
    await second.kill();

    // The operator restores the backup: what came after it is gone, and agents are told so.
    const restored = await HubProcess.start(backup);
    const third = await join(restored.port, alice);
    expect(third.session.hubKey).toEqual(hubKey);
    expect(third.session.lastBoot).toBe(alice.boot - 1);
    expect(await third.send(early)).toMatchObject({ duplicate: true });
    expect(await third.send(late)).toMatchObject({ duplicate: false });
    const got: string[] = [];
    await join(restored.port, bob, { deliver: (d) => got.push(toHex(d.envelope.id)) });
    while (got.length < 2) await pause(5);
    expect(got).toEqual([toHex(early.id), toHex(late.id)]);
    await restored.kill();
  }));
