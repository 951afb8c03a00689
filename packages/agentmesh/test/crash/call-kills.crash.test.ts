/**
 * A caller, a callee and their hub, each a process, killed at random moments while calls and
 * streams are open: every call has one end, which is true, what a step has done is not done again,
 * and nothing is left. 200 kills: `AGENTMESH_CALL_KILLS=200 pnpm test test/crash/call-kills`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { seededRandom } from '@agentmesh/hub-compliance';
import { AgentProcess } from './agent-process.js';
import { CallJudge } from './call-judge.js';
import { HubCommand } from './hub-command.js';

const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
const KILLS = Number(process.env['AGENTMESH_CALL_KILLS'] ?? 6);
const PROGRAM = fileURLToPath(new URL('calling-agent.mjs', import.meta.url));
const NAMES = ['caller', 'callee'];
const VICTIMS = ['caller', 'callee', 'hub'];

test(
  `kill -9 of caller, callee and hub, ${KILLS} times (AGENTMESH_CALL_KILLS; seed ${SEED})`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'agentmesh-calls-'));
    const hub = new HubCommand(folder);
    await hub.start();
    const random = seededRandom(SEED);
    const below = (end: number): number => ((random(1)[0] ?? 0) * end) >> 8;
    const agents = new Map<string, AgentProcess>();
    const start = (name: string): AgentProcess => {
      const agent = new AgentProcess({ folder, name, port: hub.port, program: PROGRAM });
      if (name === 'caller') agent.tell({ ask: 'callee' });
      agents.set(name, agent);
      return agent;
    };
    const all = (): AgentProcess[] => [...agents.values()];
    try {
      // The callee first: the caller knows it only once it is there.
      for (const name of NAMES.toReversed()) await start(name).ready();
      for (let kill = 0; kill < KILLS; kill++) {
        await pause(20 + below(500));
        const victim = VICTIMS[below(VICTIMS.length)] ?? 'hub';
        if (victim === 'hub') {
          await hub.stop();
          await pause(below(200));
          await hub.start();
          continue;
        }
        await agents.get(victim)?.kill();
        const next = start(victim);
        // Some die again before they are there.
        if (below(4) > 0) await next.ready();
      }
      await Promise.all(all().map((agent) => agent.rest()));
      await Promise.all(all().map((agent) => agent.close()));
      await hub.stop('SIGTERM');
      const judge = new CallJudge(folder, NAMES);
      expect([judge.open(), judge.violations(), judge.leftovers()]).toEqual([[], [], []]);
      const counts = judge.counts();
      process.stderr.write(`${KILLS} kills: ${JSON.stringify(counts)}\n`);
      expect(counts['answered']).toBeGreaterThan(0);
    } finally {
      await Promise.all(all().map((agent) => agent.kill()));
      await hub.stop();
      rmSync(folder, { recursive: true });
    }
  },
  KILLS * 10_000 + 120_000,
);
