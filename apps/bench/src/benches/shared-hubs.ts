/**
 * Several hub processes over one NATS, everybody's sender at another hub than the receiver. Owns
 * starting and stopping them; the load is `brokers/broker`'s.
 */
import { join } from 'node:path';

import type { Absent, Contender } from '../harness/bench.js';
import { pump } from '../brokers/broker.js';
import { connectHubs, laneMembers } from '../brokers/hub.js';
import { JETSTREAM_DURABILITY, natsArgs } from '../brokers/jetstream.js';
import { debianProgram, nodePlan, ServerProcess } from '../peers/server-process.js';
import { ourVersion } from './our-version.js';

export const SHARED_RATE = { name: 'rate', unit: 'messages/s', better: 'higher' } as const;
/** Processor time of all hubs and NATS together. */
export const SHARED_TIME = { name: 'servers', unit: 'µs/message', better: 'lower' } as const;
const LANES = 16;
const BYTES = 256;
/** Messages of each hub before it is measured, at most: each compiles its code for itself. */
const WARM_UP = 3_000;

/** So many hubs; each round sends `count` messages down each of sixteen lanes. */
export async function openSharedHubs(hubs: number, count: number): Promise<Contender | Absent> {
  const program = debianProgram('nats-server');
  if ('absent' in program) return program;
  const nats = await ServerProcess.start({ program: 'nats-server', args: natsArgs });
  const extra = [join(nats.folder, 'hub.key'), `127.0.0.1:${nats.port}`];
  const servers = [nats];
  // One after the other: the first makes the key and the streams.
  for (let n = 0; n < hubs; n++) {
    servers.push(await ServerProcess.start(nodePlan('hub-on-nats', null, extra)));
  }
  const ports = servers.slice(1).map(({ port }) => port);
  const broker = await connectHubs(ports, await laneMembers(LANES));
  const usedMs = (): number => servers.reduce((sum, server) => sum + server.processorMs(), 0);
  return {
    version: `${ourVersion()}, NATS ${program.version}`,
    durability: JETSTREAM_DURABILITY,
    async check() {
      await pump(broker.lanes, { count: 16, bytes: BYTES });
      const each = Math.ceil((Math.min(WARM_UP, 8 * count) * hubs) / LANES);
      // As many at once as are measured: more would only wait for NATS.
      for (let sent = 0; sent < each; sent += count) {
        await pump(broker.lanes, { count: Math.min(count, each - sent), bytes: BYTES });
      }
    },
    async round() {
      const beforeMs = usedMs();
      const rate = await pump(broker.lanes, { count, bytes: BYTES });
      const micros = (1000 * (usedMs() - beforeMs)) / (count * LANES);
      return { [SHARED_RATE.name]: rate, [SHARED_TIME.name]: micros };
    },
    async close() {
      await broker.close();
      for (const server of servers.toReversed()) await server.close();
    },
  };
}
