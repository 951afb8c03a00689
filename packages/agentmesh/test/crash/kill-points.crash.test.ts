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
let kills = 0;

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
    // On a busy machine the log may be moved before the agent has said that it is there.
    await Promise.race([victim.ready(), victim.killed()]);
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
    kills += 1;
    await expectRecovery(live(), waiting);
    if (seen) expect(oracle.counts().redelivered).toBeGreaterThan(redelivered);
  });
});

/** One life after the other, over the same files, each of which dies at its point. */
async function dieAtEach(
  live: (life?: Life) => AgentProcess,
  points: readonly string[],
  life: Life & { readonly rotating?: boolean } = {},
): Promise<void> {
  const { rotating = false, ...rest } = life;
  for (const point of points) {
    const victim = live({ ...rest, plan: { point, rotating } });
    if (rotating) {
      await victim.ready();
      victim.tell({ rotate: true });
    }
    await victim.killed();
    kills += 1;
  }
}

describe('kill -9 of an agent that comes up for the first time', () => {
  const chains: [what: string, points: string[]][] = [
    ['its prekeys', ['A10 made', 'A10 stored', 'A10 sent', 'A10 answered']],
    [
      'its key file, until it has its name',
      ['A12 opened', 'A12 half written', 'A12 written', 'A12 synced', 'A12 linked'],
    ],
    ['its key file, before the other name is gone', ['A12 cleaning']],
    ['its key file, when it is complete', ['A12 created']],
    ['the tables of its store', ['A13 begun', 'A13 step made', 'A13 version set', 'A13 committed']],
  ];

  test.each(chains)('%s: at %j', async (_what, points) => {
    const live = newVictim();
    await dieAtEach(live, points);
    await expectRecovery(live());
  });
});

/** A new agent that has spoken with bob and stopped in order. */
async function experienced(life: Life = {}): Promise<(life?: Life) => AgentProcess> {
  const live = newVictim();
  const young = live(life);
  await young.ready();
  await Promise.all([young.send('bob', 2), bob.send(young.name, 2)]);
  while (oracle.missing().length > 0) await pause(20);
  await young.rest();
  await young.close();
  return live;
}

describe('kill -9 of an agent that', () => {
  const rotations: [point: string, what: string][] = [
    ['A11 made', 'before the new one is stored'],
    ['A11 stored', 'between storing and uploading it'],
    ['A11 sent', 'while it is uploaded'],
    ['A11 answered', 'when the hub has it'],
  ];

  test.each(rotations)('replaces its signed prekey, %s: %s', async (point) => {
    const live = await experienced({ clockMs: OLD_MS });
    await dieAtEach(live, [point]);
    await expectRecovery(live());
  });

  const steps = ['A13 begun', 'A13 step made', 'A13 version set', 'A13 committed'];

  test(`has an older store, while it becomes a newer one: at ${steps.join(', ')}`, async () => {
    const live = await experienced();
    await dieAtEach(live, steps, { step: true });
    // Either the old version or the new one: never both, never half of it.
    await expect(live().ready()).rejects.toThrow('STORE_VERSION');
    await expectRecovery(live({ step: true }));
  });

  const changes: [what: string, points: string[]][] = [
    ['the next key file', ['A12 opened', 'A12 half written', 'A12 linked', 'A12 created']],
    ['the next identity', ['A12 published', 'A12 committed', 'A12 replacing', 'A12 replaced']],
  ];

  test.each(changes)('changes its identity: %s, at %j', async (_what, points) => {
    const live = await experienced();
    await dieAtEach(live, points, { rotating: true });
    await expectRecovery(live());
  });
});

test('in the end nothing waits in any outbox or inbox', async () => {
  await bob.rest();
  await bob.close();
  expect(oracle.leftovers()).toEqual([]);
  const { accepted, redelivered, keyUses } = oracle.counts();
  process.stderr.write(
    `${kills} kills: ${accepted} accepted, ${redelivered} handled again, ` +
      `${keyUses} key uses, slowest start ${Math.max(...startsMs).toFixed(0)} ms\n`,
  );
  expect(keyUses).toBeGreaterThan(accepted / 2);
});
