/**
 * Authenticated connections that say nothing: what each costs the server's memory, and how fast
 * they come. Beside NATS, whose connections here are not authenticated.
 */
import { setTimeout as pause } from 'node:timers/promises';

import { ready } from '@agentmesh/crypto';

import { confirm } from '../harness/bench-error.js';
import { OURS } from '../harness/bench.js';
import type { Absent, Bench, Case, Contender, Scale } from '../harness/bench.js';
import { FrameClient, memberOf } from '../brokers/frame-client.js';
import { natsArgs } from '../brokers/jetstream.js';
import { NatsClient } from '../brokers/nats-client.js';
import { debianProgram, nodePlan, ServerProcess } from '../peers/server-process.js';
import type { ServerPlan } from '../peers/server-process.js';
import { ourVersion } from './our-version.js';

export const MEMORY = { name: 'memory', unit: 'KiB/connection', better: 'lower' } as const;
export const RATE = { name: 'connects', unit: 'connections/s', better: 'higher' } as const;
const AT_ONCE = 50;
const SETTLE_MS = 500;
/** A hub takes so many strangers from one address; 127.0.0.0/8 has enough addresses. */
const PER_ADDRESS = 20;

interface Idle {
  close(): Promise<void> | void;
}

export const idleBench: Bench = {
  name: 'idle',
  title: 'Idle connections',
  cases: (scale) => [idleCase(scale)],
};

function idleCase(scale: Scale): Case {
  const { connections } = scale;
  return {
    id: 'idle',
    title: `${connections.toLocaleString('en')} connections`,
    measures: [MEMORY, RATE],
    mostRounds: 2,
    entrants: [
      { id: OURS, label: 'AgentMesh hub', open: () => openIdle(connections, scale.profileFolder) },
      { id: 'nats', label: 'NATS (nobody authenticates)', open: () => openNats(connections) },
    ],
    targets: [
      { measure: MEMORY.name, against: null, atMost: 10 },
      { measure: RATE.name, against: 'nats', atLeast: 0.4 },
    ],
  };
}

/** Our hub, with so many connections in each round. */
export async function openIdle(
  connections: number,
  profileFolder: string | null,
): Promise<Contender> {
  await ready();
  // The same identities in each round: making keys is no part of connecting.
  const members = Array.from({ length: connections }, (_, number) => memberOf(`idle-${number}`));
  return contenderOf(ourVersion(), connections, {
    plan: nodePlan('hub', profileFolder),
    connect: (port, number) => {
      const member = members[number];
      confirm(member !== undefined, 'a member');
      return FrameClient.join(port, member, { localAddress: addressOf(number) });
    },
  });
}

function openNats(connections: number): Promise<Contender | Absent> {
  const program = debianProgram('nats-server');
  if ('absent' in program) return Promise.resolve(program);
  const plan = { program: 'nats-server', args: natsArgs };
  // From as many addresses as ours: looking for a free port takes long where most are in use.
  const connect = (port: number, number: number): Promise<Idle> =>
    NatsClient.greet(port, addressOf(number));
  return Promise.resolve(contenderOf(program.version, connections, { plan, connect }));
}

/** A new server for each round: memory that a server keeps for later is not counted twice. */
function contenderOf(
  version: string,
  connections: number,
  {
    plan,
    connect,
  }: {
    readonly plan: ServerPlan;
    readonly connect: (port: number, number: number) => Promise<Idle>;
  },
): Contender {
  const run = async (count: number) => {
    const server = await ServerProcess.start(plan);
    // The first connections make a server load and allocate what it needs anyway.
    const first = await connectAll(AT_ONCE, (number) => connect(server.port, number));
    await pause(SETTLE_MS);
    const before = server.residentBytes();
    const startMs = performance.now();
    const idle = await connectAll(count - AT_ONCE, (number) =>
      connect(server.port, number + AT_ONCE),
    );
    const seconds = (performance.now() - startMs) / 1000;
    await pause(SETTLE_MS);
    const kibibytes = (server.residentBytes() - before) / 1024;
    for (const one of [...first, ...idle]) await one.close();
    await server.close();
    const added = count - AT_ONCE;
    return { [MEMORY.name]: kibibytes / added, [RATE.name]: added / seconds };
  };
  return {
    version,
    // Joining proves itself: it ends with the server's answer.
    check: async () => void (await run(AT_ONCE * 2)),
    round: () => run(connections),
  };
}

async function connectAll(
  count: number,
  connect: (number: number) => Promise<Idle>,
): Promise<Idle[]> {
  const all: Idle[] = [];
  while (all.length < count) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, count - all.length) }, (_, at) => at);
    const from = all.length;
    all.push(...(await Promise.all(numbers.map((number) => connect(from + number)))));
  }
  return all;
}

function addressOf(number: number): string {
  const host = Math.floor(number / PER_ADDRESS) + 2;
  return `127.0.${host >> 8}.${host & 255}`;
}
