/**
 * Attacks of whoever holds the road between an agent and its hub (protocol.md §2.15): another hub
 * at its end, changed words of the right one, and bytes that never become a word. Owns the
 * attacker's moves; the agent runs in a sandbox.
 */
import { createServer as createTlsServer } from 'node:tls';
import { createCertificate } from '@agentmesh/hub-server';
import { CannotTry } from '../attack.js';
import type { Attack, Seen } from '../attack.js';
import { listening, Road } from '../sandbox/road.js';
import type { Victim } from '../sandbox/victim.js';
import type { Scene } from '../scene.js';

function isOnline(victim: Victim): boolean {
  return victim.events('connection').at(-1)?.includes('online') === true;
}

/** A running agent whose road leads elsewhere while `isElsewhere` is set. */
async function onTheRoad(scene: Scene, rewrite?: (line: string) => string) {
  const { target } = await scene.ownHub([], false);
  const other = await scene.falseHub();
  const state = { isElsewhere: false, visits: 0 };
  const road = await Road.open(() => {
    if (!state.isElsewhere) return target;
    state.visits += 1;
    return other.target;
  }, rewrite);
  scene.endsWith(() => road.close());
  const victim = scene.victim({ target: { ...target, port: road.port } });
  if (!(await victim.isReady())) throw new CannotTry('the agent did not start');
  return { road, victim, state, other };
}

async function anotherHub(scene: Scene): Promise<Seen> {
  const { road, victim, state, other } = await onTheRoad(scene);
  state.isElsewhere = true;
  road.cut();
  await victim.until(() => state.visits >= 2 || victim.hasEnded);
  const visits = state.visits;
  const told = other.heard.filter(({ type }) => type !== 'begin').length;
  state.isElsewhere = false;
  road.cut();
  const isBack = await victim.until(() => isOnline(victim) || victim.hasEnded);
  const held = visits >= 2 && told === 0 && isBack && !victim.hasEnded;
  const fate = victim.hasEnded ? 'ended' : 'came back to its hub';
  return {
    held,
    seen: `after ${visits} connections to another hub, told ${told} words, the agent ${fate}`,
    figures: { 'connections to another hub': visits, 'words it was told': told },
  };
}

async function rewriteAnswer(scene: Scene): Promise<Seen> {
  const state = { isLying: false, lies: 0 };
  const { road, victim } = await onTheRoad(scene, (line) => {
    if (!state.isLying || !line.includes('"auth_ok"')) return line;
    const changed = line.replace(/"lastBoot":[^,}]+/, '"lastBoot":999999');
    if (changed !== line) state.lies += 1;
    return changed;
  });
  state.isLying = true;
  road.cut();
  await victim.until(() => state.lies >= 2 || victim.hasEnded);
  // Asked while every answer is changed: one that is online has believed one.
  const { connection } = await victim.state();
  const believed = connection === 'online' ? 1 : 0;
  const rollbacks = victim.events('storeRollback').length;
  state.isLying = false;
  road.cut();
  const isBack = await victim.until(() => isOnline(victim) || victim.hasEnded);
  const held = state.lies >= 2 && believed + rollbacks === 0 && isBack && !victim.hasEnded;
  return {
    held,
    seen: `after ${state.lies} changed answers the agent was ${connection}`,
    figures: { 'changed answers': state.lies, believed, rollbacks },
  };
}

/** What a client may grow by while a server says one byte at a time, in MiB. */
const GROWTH_MIB = 60;

async function tinyRecords(scene: Scene): Promise<Seen> {
  const { target } = await scene.ownHub();
  const certificate = await createCertificate(Date.now());
  const state = { bytes: 0, cut: 0 };
  const server = createTlsServer({ ...certificate, minVersion: 'TLSv1.3' }, (victim) => {
    victim.on('error', () => victim.destroy());
    victim.once('close', () => {
      state.cut += 1;
    });
    const drip = (): void => {
      // Each write is a record of its own; a few hundred in one turn.
      for (let n = 0; n < 500 && !victim.destroyed; n++) {
        victim.write('a');
        state.bytes += 1;
      }
      if (!victim.destroyed) setImmediate(drip);
    };
    drip();
  });
  const port = await listening(server);
  scene.endsWith(() => server.close());
  const victim = scene.victim({ target: { ...target, port }, connectTimeoutMs: 5_000 });
  await victim.until(() => state.bytes > 0);
  const before = victim.child.peakMebibytes() ?? 0;
  const isCut = await victim.until(() => state.cut > 0);
  const grownBy = (victim.child.peakMebibytes() ?? 0) - before;
  return {
    held: isCut && grownBy < GROWTH_MIB,
    seen: `cut: ${isCut}, after ${state.bytes} records of one byte; grown by ${grownBy} MiB`,
    figures: { 'records sent': state.bytes, 'MiB grown': grownBy },
  };
}

export const ROAD_ATTACKS: readonly Attack[] = [
  {
    name: 'another-hub',
    test: 'T-A32',
    against: 'agent',
    tries: 'cuts the connection and leads the agent to a hub that proves another key',
    promised: 'another hub learns nothing of an agent, and ends none',
    run: anotherHub,
  },
  {
    name: 'rewritten-auth-ok',
    test: 'T-A31',
    against: 'agent',
    tries: 'changes in the answer of the hub which opening of its store it saw last',
    promised: 'an agent acts on nothing that the hub has not signed',
    run: rewriteAnswer,
  },
  {
    name: 'one-byte-records',
    test: 'T-A39',
    against: 'agent',
    tries: 'answers in place of the hub with TLS records of one byte that never end a frame',
    promised: 'whoever has proved nothing costs an agent bounded memory, and is cut off',
    isLong: true,
    run: tinyRecords,
  },
];
