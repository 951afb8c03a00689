/**
 * Everybody who takes part in the hub benches, started and connected, with the proof that what they
 * call accepted is there after a kill. Owns starting and stopping; the load is `brokers/broker`'s.
 */
import { setTimeout as pause } from 'node:timers/promises';

import { confirm, BenchError } from '../harness/bench-error.js';
import type { Absent, Contender, Entrant, Sample, Scale } from '../harness/bench.js';
import { OURS } from '../harness/bench.js';
import { confirmDisk } from '../harness/machine.js';
import type { Broker, Lane } from '../brokers/broker.js';
import { pump } from '../brokers/broker.js';
import { FrameClient } from '../brokers/frame-client.js';
import { connectHub, connectRelay, laneMembers } from '../brokers/hub.js';
import {
  connectJetStream,
  connectOfficial,
  JETSTREAM_DURABILITY,
  natsArgs,
} from '../brokers/jetstream.js';
import { connectRedis, RedisClient, redisArgs } from '../brokers/redis.js';
import { debianProgram, nodePlan, ServerProcess } from '../peers/server-process.js';
import { ourVersion } from './our-version.js';

/** What is done with the lanes in each round, and with how many. */
export interface HubWork {
  readonly lanes: number;
  readonly scale: Scale;
  /** How many messages went, and what was measured; the server's share is added to it. */
  measure(
    lanes: readonly Lane[],
    port: number,
  ): Promise<{ readonly messages: number; readonly sample: Sample }>;
}

/** Processor time of the server's process: what a busy machine disturbs least. */
export const SERVER_TIME = { name: 'server', unit: 'µs/message', better: 'lower' } as const;

const WAIT_MS = 10_000;
const FSYNC = 'on the disk (fsync) before it is acknowledged';

export const hubEntrants = {
  ours: (work: HubWork): Entrant => ({
    id: OURS,
    label: 'AgentMesh hub, SQLite',
    open: () => openOurs(work),
  }),
  redis: (work: HubWork): Entrant => ({
    id: 'redis',
    label: 'Redis Streams, appendfsync always, lean client',
    open: () => openRedis(work),
  }),
  official: (work: HubWork): Entrant => ({
    id: 'jetstream-official',
    label: 'NATS JetStream, official client',
    open: () => openOfficial(work),
  }),
  lean: (work: HubWork): Entrant => ({
    id: 'jetstream-lean',
    label: 'NATS JetStream, lean client',
    open: () => openLean(work),
  }),
  relay: (work: HubWork): Entrant => ({
    id: 'relay',
    label: 'relay in Node that only passes on (ceiling)',
    open: () => openRelay(work),
  }),
} as const;

async function openOurs(work: HubWork): Promise<Contender> {
  confirmDisk();
  const server = await ServerProcess.start(nodePlan('hub', work.scale.profileFolder));
  const members = await laneMembers(work.lanes);
  let broker = await connectHub(server.port, members);
  return {
    version: ourVersion(),
    durability: FSYNC,
    async check() {
      await confirmOrder(broker);
      await broker.close();
      await confirmSurvival(server, await hubSurvivor(server.port));
      broker = await connectHub(server.port, members);
    },
    round: () => roundOf(work, broker, server),
    async close() {
      await broker.close();
      await server.close();
    },
  };
}

async function openRedis(work: HubWork): Promise<Contender | Absent> {
  const program = debianProgram('redis-server');
  if ('absent' in program) return program;
  const server = await ServerProcess.start({ program: 'redis-server', args: redisArgs });
  let broker = await connectRedis(server.port, work.lanes);
  return {
    version: program.version,
    durability: FSYNC,
    async check() {
      const client = await RedisClient.connect(server.port);
      const said = (await client.ask('CONFIG', 'GET', 'appendfsync')) as Buffer[];
      confirm(String(said[1]) === 'always', 'redis syncs always');
      client.close();
      await confirmOrder(broker);
      await broker.close();
      await confirmSurvival(server, redisSurvivor(server.port));
      broker = await connectRedis(server.port, work.lanes);
    },
    round: () => roundOf(work, broker, server),
    async close() {
      await broker.close();
      await server.close();
    },
  };
}

async function openLean(work: HubWork): Promise<Contender | Absent> {
  const program = debianProgram('nats-server');
  if ('absent' in program) return program;
  const server = await ServerProcess.start({ program: 'nats-server', args: natsArgs });
  const broker = await connectJetStream(server.port, { count: work.lanes, name: 'bench' });
  return contenderOf({ broker, server, work, version: program.version });
}

async function openOfficial(work: HubWork): Promise<Contender | Absent> {
  const program = debianProgram('nats-server');
  if ('absent' in program) return program;
  const server = await ServerProcess.start({ program: 'nats-server', args: natsArgs });
  const broker = await connectOfficial(server.port, { count: work.lanes, name: 'bench' });
  if ('absent' in broker) {
    await server.close();
    return broker;
  }
  const version = `${program.version}, client ${broker.version}`;
  return contenderOf({ broker, server, work, version });
}

async function openRelay(work: HubWork): Promise<Contender> {
  const server = await ServerProcess.start(nodePlan('relay', null));
  const broker = await connectRelay(server.port, await laneMembers(work.lanes));
  const durability = 'none: in memory only';
  return { ...contenderOf({ broker, server, work, version: '' }), durability };
}

function contenderOf(parts: {
  readonly broker: Broker;
  readonly server: ServerProcess;
  readonly work: HubWork;
  readonly version: string;
}): Contender {
  const { broker, server, work, version } = parts;
  return {
    version,
    durability: JETSTREAM_DURABILITY,
    check: () => confirmOrder(broker),
    round: () => roundOf(work, broker, server),
    async close() {
      await broker.close();
      await server.close();
    },
  };
}

async function roundOf(work: HubWork, broker: Broker, server: ServerProcess): Promise<Sample> {
  const before = server.processorMs();
  const { messages, sample } = await work.measure(broker.lanes, server.port);
  const micros = (server.processorMs() - before) * 1000;
  return { ...sample, [SERVER_TIME.name]: micros / messages };
}

/** Each lane gives its messages once, in order, unchanged. */
async function confirmOrder(broker: Broker): Promise<void> {
  await pump(broker.lanes, { count: 64, bytes: 300 });
}

/** How to have a message accepted, and how to get it from the server's next life. */
interface Survivor {
  accept(blob: Buffer): Promise<void>;
  deliver(): Promise<Buffer>;
}

async function hubSurvivor(port: number): Promise<Survivor> {
  const [members] = await laneMembers(1, 'surviving-');
  if (members === undefined) throw new BenchError('WRONG_RESULT', 'no members');
  // Known to the hub, and away.
  await (await FrameClient.join(port, members.receiver)).close();
  return {
    async accept(blob) {
      const sender = await FrameClient.join(port, members.sender);
      const { aid } = members.receiver.keyPair.identity;
      await new Promise<void>((resolve) => {
        sender.send(aid, blob, resolve);
      });
    },
    async deliver() {
      const delivery = Promise.withResolvers<Buffer>();
      const receiver = await FrameClient.join(port, members.receiver, {
        onDelivery: delivery.resolve,
      });
      setTimeout(delivery.reject, WAIT_MS, new BenchError('NOT_DURABLE', 'no delivery')).unref();
      const blob = await delivery.promise;
      await receiver.close();
      return blob;
    },
  };
}

function redisSurvivor(port: number): Survivor {
  return {
    async accept(blob) {
      const client = await RedisClient.connect(port);
      await client.ask('XADD', 'survivor', '*', 'b', blob.toString('latin1'));
    },
    async deliver() {
      const client = await RedisClient.connect(port);
      while ((await client.ask('PING')) === null) await pause(20);
      const entries = (await client.ask('XRANGE', 'survivor', '-', '+')) as [[string, Buffer[]]];
      client.close();
      return entries[0][1][1] ?? Buffer.alloc(0);
    },
  };
}

/** What was accepted is there in the next life of a server that was killed. */
async function confirmSurvival(server: ServerProcess, survivor: Survivor): Promise<void> {
  const blob = Buffer.from('accepted before the kill');
  await survivor.accept(blob);
  await server.kill();
  await server.run();
  if (!(await survivor.deliver()).equals(blob)) {
    throw new BenchError('NOT_DURABLE', 'an accepted message is lost after a kill');
  }
}
