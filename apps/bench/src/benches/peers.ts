/**
 * An agent that knows very many peers, each with a session, in its encrypted file: how long it
 * takes to start, and what one message to one of them costs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { Agent } from '@agentmesh/agent';
import { ready } from '@agentmesh/crypto';
import { encodeBundle } from '@agentmesh/protocol';

import { confirm } from '../harness/bench-error.js';
import { OURS } from '../harness/bench.js';
import type { Bench, Contender, Scale } from '../harness/bench.js';
import { SCRATCH } from '../harness/machine.js';
import { handedOver, ownAgent } from './own-pair.js';
import { ourVersion } from './our-version.js';

export const START = { name: 'start', unit: 'ms', better: 'lower' } as const;
export const SEND = { name: 'seal to one', unit: 'ms', better: 'lower' } as const;
const SENDS = 100;

export const peersBench: Bench = {
  name: 'peers',
  title: 'An agent with many peers in its store',
  cases: (scale: Scale) => {
    const peers = scale.quick ? 200 : 10_000;
    return [
      {
        id: 'many',
        title: `${peers.toLocaleString('en')} peers, each with a session`,
        measures: [START, SEND],
        mostRounds: 3,
        entrants: [
          { id: OURS, label: 'AgentMesh agent, SQLite', open: () => openPopular(peers) },
          { id: 'one', label: 'the same with one peer', open: () => openPopular(1) },
        ],
        targets: [
          { measure: START.name, against: null, atMost: 1_000 },
          { measure: SEND.name, against: 'one', atMost: 1.5 },
        ],
      },
    ];
  },
};

/** Its store is made once; each round opens it, sends, and closes it. */
export async function openPopular(peers: number): Promise<Contender> {
  await ready();
  const folder = mkdtempSync(join(SCRATCH, 'agentmesh-peers-'));
  const create = (): Promise<Agent> =>
    Agent.create('popular', { keypairPath: join(folder, 'popular.json') });
  const agent = await create();
  let last = '';
  // One bundle after the other: an agent has one store.
  for (let number = 0; number < peers; number++) {
    last = `peer-${number}`;
    await agent.connectWithBundle(encodeBundle(handedOver(ownAgent(last, null))));
    await agent.seal(last, 'hello');
  }
  await agent.close();
  return {
    version: ourVersion(),
    durability: 'each message is on the disk (fsync) before it is given out',
    async check() {
      const reopened = await create();
      const { activeSessionCount, knownPeerCount } = await reopened.status();
      await reopened.close();
      confirm(
        activeSessionCount === peers && knownPeerCount === peers,
        'all peers and sessions are there',
      );
    },
    async round() {
      const startMs = performance.now();
      const reopened = await create();
      const startedMs = performance.now();
      for (let sends = 0; sends < SENDS; sends++) await reopened.seal(last, 'hello');
      const sealedMs = performance.now();
      await reopened.close();
      return { [START.name]: startedMs - startMs, [SEND.name]: (sealedMs - startedMs) / SENDS };
    },
    close: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  };
}
