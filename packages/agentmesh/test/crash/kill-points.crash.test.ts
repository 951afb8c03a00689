/**
 * An agent that dies at any of the points A1 to A14 comes back with all it had promised (tests of
 * protocol.md §2.11): real processes, real files, a real hub between them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AgentProcess } from './agent-process.js';
import type { AgentSetup } from './agent-process.js';
import { HubCommand } from './hub-command.js';
import { Oracle } from './oracle.js';

const HOUR_MS = 3_600_000;
/** A signed prekey that is so old is replaced. */
const OLD_MS = -49 * HOUR_MS;

const folder = mkdtempSync(join(tmpdir(), 'agentmesh-crash-'));
const hub = new HubCommand(folder);
const oracle = new Oracle(folder);
const startsMs: number[] = [];
let bob: AgentProcess;
let victims = 0;

beforeAll(async () => {
  await hub.start();
  bob = new AgentProcess({ folder, name: 'bob', port: hub.port });
  await bob.ready();
});

afterAll(async () => {
  await bob.kill();
  await hub.stop();
  rmSync(folder, { recursive: true });
});

type Life = Pick<AgentSetup, 'plan' | 'clockMs' | 'step'>;

/** A new agent, and its next life over the same files. */
function newVictim(): (life?: Life) => AgentProcess {
  victims += 1;
  const name = `agent-${victims}`;
  return (life = {}) => new AgentProcess({ folder, name, port: hub.port, ...life });
}

/** After the kill: it starts, talks both ways, and nothing is missing or twice. */
async function expectRecovery(next: AgentProcess, waiting: Promise<void>[] = []): Promise<void> {
  startsMs.push(await next.ready());
  await Promise.all([...waiting, next.send('bob', 3), bob.send(next.name, 3)]);
  while (oracle.missing().length > 0) await pause(20);
  await next.rest();
  await next.close();
  expect(oracle.violations()).toEqual([]);
}

describe('kill -9 of an agent while it talks', () => {
  /** How often the point is passed before, and whether a handler may have seen a message. */
  const points: [point: string, what: string, passes: number, seen: boolean][] = [
    ['A1', 'before a message to be sent is committed', 2, false],
    ['A2', 'between that commit and the transmission', 2, false],
    ['A3 sent', 'between the transmission and its answer', 3, false],
    ['A3 answered', 'when the answer has come and nothing was done about it', 3, false],
    ['A4', 'between the answer and the deletion from the outbox', 1, false],
    ['A5', 'before a received message is committed', 2, false],
    ['A6', 'between that commit and the acknowledgement', 2, true],
    ['A7', 'between the acknowledgement and the handler', 2, true],
    ['A8', 'inside the handler', 2, true],
    ['A9', 'between the handler and the deletion from the inbox', 1, true],
    ['A14 before', 'before the log of the store is moved into it', 1, false],
    ['A14 within', 'while it is moved', 1, false],
    ['A14 after', 'when it was moved', 1, false],
  ];

  test.each(points)('%s: %s', async (point, _what, passes, seen) => {
    const live = newVictim();
    const victim = live({ plan: { point, passes } });
    await victim.ready();
    const { redelivered } = oracle.counts();
    const bytes = point.startsWith('A14') ? 40_000 : 0;
    const waiting: Promise<void>[] = [];
    // Until it passes there: how many messages share a commit depends on the machine.
    while (!victim.isDead) {
      // Its own calls die with it.
      victim.send('bob', 4, bytes).catch(() => undefined);
      waiting.push(bob.send(victim.name, 4, bytes));
      await pause(30);
    }
    await victim.killed();
    await expectRecovery(live(), waiting);
    if (seen) expect(oracle.counts().redelivered).toBeGreaterThan(redelivered);
  });
});

describe('kill -9 of an agent that comes up for the first time', () => {
  const points: [point: string, what: string][] = [
    ['A10 made', 'before its prekeys are stored'],
    ['A10 stored', 'between storing prekeys and uploading them'],
    ['A10 sent', 'while prekeys are uploaded'],
    ['A10 answered', 'when the hub has its prekeys and nothing was done about it'],
    ['A12 opened', 'when its key file is begun'],
    ['A12 half written', 'in the middle of its key file'],
    ['A12 written', 'before its key file is on the disk'],
    ['A12 synced', 'before its key file has its name'],
    ['A12 linked', 'before the name of its key file is on the disk'],
    ['A12 cleaning', 'before the other name of its key file is gone'],
    ['A12 created', 'when its key file is complete'],
    ['A13 begun', 'before its store has tables'],
    ['A13 step made', 'when its store has tables and no version'],
    ['A13 version set', 'before the tables of its store are committed'],
    ['A13 committed', 'when the tables of its store are committed'],
  ];

  test.each(points)('%s: %s', async (point) => {
    const live = newVictim();
    await live({ plan: { point } }).killed();
    await expectRecovery(live());
  });
});

describe('kill -9 of an agent that', () => {
  const rotations: [point: string, what: string][] = [
    ['A11 made', 'replaces its signed prekey, before the new one is stored'],
    ['A11 stored', 'replaces its signed prekey, between storing and uploading it'],
    ['A11 sent', 'replaces its signed prekey, while it is uploaded'],
    ['A11 answered', 'replaces its signed prekey, when the hub has it'],
  ];

  test.each(rotations)('%s: %s', async (point) => {
    const live = newVictim();
    const old = live({ clockMs: OLD_MS });
    await old.ready();
    await old.close();
    await live({ plan: { point } }).killed();
    await expectRecovery(live());
  });

  const steps: [point: string, what: string][] = [
    ['A13 begun', 'has an older store, before it is changed'],
    ['A13 step made', 'has an older store, when its tables are changed'],
    ['A13 version set', 'has an older store, when its version is changed'],
    ['A13 committed', 'has an older store, when the change is committed'],
  ];

  test.each(steps)('%s: %s', async (point) => {
    const live = newVictim();
    const older = live();
    await older.ready();
    await Promise.all([older.send('bob', 3), bob.send(older.name, 3)]);
    await older.kill();
    await live({ plan: { point }, step: true }).killed();
    // Either the old version or the new one: never both, never half of it.
    if (point === 'A13 committed') await expect(live().ready()).rejects.toThrow('STORE_VERSION');
    await expectRecovery(live({ step: true }));
  });
});

describe('kill -9 of an agent that changes its identity', () => {
  /** How often the point is passed before, in the change. */
  const points: [point: string, what: string, passes: number][] = [
    ['A12 opened', 'when the next key file is begun', 0],
    ['A12 half written', 'in the middle of the next key file', 0],
    ['A12 linked', 'when the next key file has its name', 0],
    ['A12 created', 'when the next key file is complete', 0],
    ['A12 created', 'when the revocation of the next keys is written', 1],
    ['A12 published', 'when the hub has the next identity', 0],
    ['A12 committed', 'when its store has the next identity', 0],
    ['A12 replacing', 'before the next key file takes the place of the present one', 0],
    ['A12 replaced', 'when it has taken it', 0],
  ];

  test.each(points)('%s: %s', async (point, _what, passes) => {
    const live = newVictim();
    const young = live();
    await young.ready();
    await Promise.all([young.send('bob', 2), bob.send(young.name, 2)]);
    while (oracle.missing().length > 0) await pause(20);
    await young.rest();
    await young.close();
    const victim = live({ plan: { point, passes, rotating: true } });
    await victim.ready();
    victim.tell({ rotate: true });
    await victim.killed();
    await expectRecovery(live());
  });
});

test('in the end nothing waits in any outbox or inbox', async () => {
  await bob.rest();
  await bob.close();
  expect(oracle.leftovers()).toEqual([]);
  const { accepted, redelivered, keyUses } = oracle.counts();
  process.stderr.write(
    `${startsMs.length} kills: ${accepted} accepted, ${redelivered} handled again, ` +
      `${keyUses} key uses, slowest start ${Math.max(...startsMs).toFixed(0)} ms\n`,
  );
  expect(keyUses).toBeGreaterThan(accepted / 2);
});
