/**
 * Three agents that talk all the time and are killed at random moments, and their hub now and then:
 * what was accepted arrives, each message enters one inbox once, and no key is used twice.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { seededRandom } from '@agentmesh/hub-compliance';
import { AgentProcess } from './agent-process.js';
import { HubCommand } from './hub-command.js';
import { Oracle } from './oracle.js';

const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
/** 200 in a nightly run. */
const KILLS = Number(process.env['AGENTMESH_AGENT_KILLS'] ?? 8);
const NAMES = ['alice', 'bob', 'carol'];
/** Before each so-and-so-manieth kill the hub dies, too. */
const HUB_EACH = 5;

test(
  `kill -9 of agents and hub under traffic, ${KILLS} times (AGENTMESH_AGENT_KILLS; seed ${SEED})`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'agentmesh-crash-'));
    const hub = new HubCommand(folder);
    await hub.start();
    const random = seededRandom(SEED);
    const below = (end: number): number => ((random(1)[0] ?? 0) * end) >> 8;
    const startsMs: number[] = [];
    const start = (name: string, flow = NAMES.filter((other) => other !== name)): AgentProcess => {
      const agent = new AgentProcess({ folder, name, port: hub.port });
      agent.tell({ flow });
      return agent;
    };
    const agents = NAMES.map((name) => start(name));
    try {
      await Promise.all(agents.map((agent) => agent.ready()));
      for (let kill = 1; kill <= KILLS; kill++) {
        await pause(20 + below(400));
        if (kill % HUB_EACH === 0) {
          await hub.stop();
          await pause(below(200));
          await hub.start();
        }
        const at = below(NAMES.length);
        await agents[at]?.kill();
        const next = start(NAMES[at] ?? '');
        agents[at] = next;
        // Some die again before they are there.
        if (below(4) > 0) startsMs.push(await next.ready());
      }
      await Promise.all(agents.map((agent) => agent.rest()));
      const oracle = new Oracle(folder);
      while (oracle.missing().length > 0) await pause(100);
      // Each goes once while the others are there: the receipts that it owes find their way.
      for (const [at, name] of NAMES.entries()) {
        await agents[at]?.close();
        agents[at] = start(name, []);
        await agents[at]?.ready();
      }
      await Promise.all(agents.map((agent) => agent.close()));
      await hub.stop('SIGTERM');
      expect([oracle.leftovers(), await hub.queued()]).toEqual([[], 0]);
      expect(oracle.violations()).toEqual([]);
      const { accepted, handled, redelivered, keyUses } = oracle.counts();
      process.stderr.write(
        `${KILLS} kills: ${accepted} accepted, ${handled} handled, ${redelivered} of them again, ` +
          `${keyUses} key uses, slowest start ${Math.max(...startsMs).toFixed(0)} ms\n`,
      );
      expect(accepted).toBeGreaterThan(KILLS);
    } finally {
      await Promise.all(agents.map((agent) => agent.kill()));
      await hub.stop();
      rmSync(folder, { recursive: true });
    }
  },
  KILLS * 10_000 + 120_000,
);
