/**
 * `kill -9` of a real hub process at its named points and at random moments under load: what was
 * answered `sent` arrives, nothing enters an inbox twice, and the next start takes no time.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import { seededRandom } from '@agentmesh/hub-compliance';
import { CrashLoad } from './crash-load.js';
import type { LoadOptions } from './crash-load.js';
import { HubProcess } from './hub-process.js';
import type { KillPlan } from './hub-process.js';
import { inFolder } from './store-samples.js';

const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
/** 200 in a nightly run. */
const KILLS = Number(process.env['AGENTMESH_HUB_KILLS'] ?? 4);
const START_MS = 5_000;

const usual: LoadOptions = { agents: 4, seed: SEED, blobBytes: 256, ttlSeconds: 3_600 };

beforeAll(() => ready());

/** Runs a load until the hub has killed itself as planned, then a healthy hub until all is well. */
async function crashAt(
  plan: KillPlan,
  options: LoadOptions,
  drive: (load: CrashLoad) => Promise<void> = (load) => load.run(20_000),
  after: (load: CrashLoad) => Promise<void> = () => Promise.resolve(),
): Promise<CrashLoad> {
  return inFolder(async (folder) => {
    const load = new CrashLoad(options);
    const first = await HubProcess.start(folder, plan);
    await load.join(first.port);
    await drive(load);
    await first.died();
    expect(first.signal).toBe('SIGKILL');
    const second = await HubProcess.start(folder);
    expect(second.startMs).toBeLessThan(START_MS);
    await load.join(second.port);
    await after(load);
    await load.settle();
    await second.kill();
    expect(load.violations).toEqual([]);
    expect(load.missing()).toEqual([]);
    expect(load.unanswered).toBe(0);
    expect(load.accepted.size).toBeGreaterThan(0);
    return load;
  });
}

jest.setTimeout(60_000);

describe('kill -9 of the hub', () => {
  test('H1 between reading a frame and its commit', async () => {
    const load = await crashAt({ point: 'frame-read', passes: 25 }, usual);
    expect(load.missing()).toEqual([]);
  });

  test('H2 between the commit and its answer', async () => {
    const load = await crashAt({ point: 'committed', passes: 25 }, usual);
    expect(load.missing()).toEqual([]);
  });

  test('H3 while pushing', async () => {
    const load = await crashAt({ point: 'pushing', passes: 150 }, { ...usual, acksBehind: 5 });
    expect(load.redeliveries).toBeGreaterThan(0);
  });

  test('H4 between an acknowledgement and its commit', async () => {
    const load = await crashAt({ point: 'acknowledging', passes: 20 }, usual);
    expect(load.redeliveries).toBeGreaterThan(0);
  });

  test('H5 inside the sweep: every envelope is reported as expired', async () => {
    const short = { ...usual, absentee: true, ttlSeconds: 1 };
    const load = await crashAt({ point: 'sweeping', passes: 2 }, short);
    expect(load.noticed.size).toBe(load.accepted.size);
  });

  test('H6 between taking a prekey and the reply: none is handed out twice', async () => {
    const fetch = async (load: CrashLoad): Promise<void> => {
      for (let round = 0; round < 4; round++) await load.fetchBundles();
    };
    const publishAndFetch = async (load: CrashLoad): Promise<void> => {
      await load.publish(40);
      await load.run(50);
      await fetch(load);
    };
    const plan = { point: 'prekey-taken', passes: 4 } as const;
    const load = await crashAt(plan, usual, publishAndFetch, fetch);
    expect(load.handedOut.length).toBeGreaterThan(8);
    expect(new Set(load.handedOut).size).toBe(load.handedOut.length);
  });

  test('H7 around moving the log into the database', async () => {
    const large = { ...usual, blobBytes: 200_000 };
    const load = await crashAt({ point: 'checkpointing', passes: 1 }, large);
    expect(load.missing()).toEqual([]);
  });

  test('H8 during recovery', () =>
    inFolder(async (folder) => {
      const load = new CrashLoad(usual);
      const first = await HubProcess.start(folder);
      await load.join(first.port);
      await load.run(100);
      await first.kill();
      expect(existsSync(join(folder, 'hub.db-wal'))).toBe(true);
      const dying = await HubProcess.start(folder, { point: 'recovering', passes: 0 });
      await dying.died();
      expect(dying.signal).toBe('SIGKILL');
      const last = await HubProcess.start(folder);
      await load.join(last.port);
      await load.settle();
      await last.kill();
      expect([load.violations, load.missing(), load.unanswered]).toEqual([[], [], 0]);
    }));

  test(
    `${KILLS} times at a random moment under load (seed ${SEED})`,
    () =>
      inFolder(async (folder) => {
        const random = seededRandom(SEED);
        const load = new CrashLoad({ ...usual, agents: 6 });
        let slowestMs = 0;
        for (let kill = 0; kill < KILLS; kill++) {
          const hub = await HubProcess.start(folder);
          slowestMs = Math.max(slowestMs, hub.startMs);
          await load.join(hub.port);
          const [byte = 0] = random(1);
          const running = load.run(1_000);
          setTimeout(() => void hub.kill(), 20 + byte);
          await running;
          await hub.died();
        }
        const last = await HubProcess.start(folder);
        await load.join(last.port);
        await load.settle(60_000);
        await last.kill();
        const { accepted, redeliveries } = load;
        process.stderr.write(
          `${KILLS} kills: ${accepted.size} accepted, ${redeliveries} delivered again, ` +
            `slowest start ${slowestMs.toFixed(0)} ms\n`,
        );
        expect([load.violations, load.missing(), load.unanswered]).toEqual([[], [], 0]);
        expect(slowestMs).toBeLessThan(START_MS);
        expect(accepted.size).toBeGreaterThan(KILLS * 2);
      }),
    KILLS * 5_000 + 60_000,
  );
});
