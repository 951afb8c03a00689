/**
 * Agent to agent over our hub, everything durable: both agents keep every message and every ratchet
 * step in an encrypted file, the hub keeps the envelope, and the handler has run. The agents live
 * through all rounds, so a rate is one that lasts. Beside them the Python operations, which keep
 * nothing; sealing and opening alone; and Redis as a hub by itself.
 */
import { ready } from '@agentmesh/crypto';

import { paced } from '../brokers/broker.js';
import { confirm } from '../harness/bench-error.js';
import { OURS } from '../harness/bench.js';
import type { Bench, Case, Entrant, Sample, Scale } from '../harness/bench.js';
import { confirmDisk } from '../harness/machine.js';
import { processorMicros } from '../harness/processor-time.js';
import { quantile } from '../harness/statistics.js';
import { pythonTalking } from '../peers/python.js';
import { AgentWorld, TEXT } from './agent-world.js';
import { hubEntrants } from './hub-entrants.js';
import { ourVersion } from './our-version.js';
import { contentOf, OwnPair } from './own-pair.js';

const PACE_PER_SECOND = 200;
/** Three of these, after one that warms up. */
const FLOOD_MS = { full: 20_000, quick: 1_000 } as const;
const COST_MS = { full: 10_000, quick: 1_000 } as const;
const RATE = { name: 'rate', unit: 'messages/s', better: 'higher' } as const;
const PROCESSOR = { name: 'processor', unit: 'µs/message', better: 'lower' } as const;
const WRITTEN = { name: 'written', unit: 'KB/message', better: 'lower' } as const;
const P50 = { name: 'p50', unit: 'ms', better: 'lower' } as const;
const P99 = { name: 'p99', unit: 'ms', better: 'lower' } as const;
const DURABLE = 'sender, hub and receiver have it on their disks (fsync)';
const ONE_PAIR = `1 pair, texts of ${TEXT.length} B`;

export const agentsBench: Bench = {
  name: 'agents',
  title: 'Agent to agent over the hub, everything durable',
  cases: (scale) => [
    rateCase(1, scale),
    rateCase(8, scale),
    processorCase(scale),
    writtenCase(scale),
    paceCase(scale),
    deliveredCase(scale),
  ],
};

function rateCase(pairs: number, scale: Scale): Case {
  const ms = FLOOD_MS[scale.quick ? 'quick' : 'full'];
  const measure = async (world: AgentWorld): Promise<Sample> => {
    const flood = await world.flood(ms);
    return { [RATE.name]: (flood.messages * 1000) / flood.ms };
  };
  return {
    id: `rate-${pairs}`,
    title: `${pairs} pair${pairs === 1 ? '' : 's'}, texts of ${TEXT.length} B, for a minute`,
    measures: [RATE],
    mostRounds: 3,
    entrants: [ourEntrant(pairs, scale, measure), pythonTalking(pairs, TEXT.length)],
    targets: [{ measure: RATE.name, against: 'python', atLeast: 0.4 }],
  };
}

function processorCase(scale: Scale): Case {
  const ms = COST_MS[scale.quick ? 'quick' : 'full'];
  return {
    id: 'processor',
    title: `${ONE_PAIR}: processor time of both agents`,
    measures: [PROCESSOR],
    mostRounds: 3,
    entrants: [
      ourEntrant(1, scale, async (world) => {
        const { messages, agentsMs } = await world.flood(ms);
        return { [PROCESSOR.name]: (agentsMs * 1000) / messages };
      }),
      sealing(scale.quick ? 200 : 2_000),
    ],
    targets: [{ measure: PROCESSOR.name, against: 'seal', atMost: 2.5 }],
  };
}

/** What both agents cannot do without. */
function sealing(count: number): Entrant {
  return {
    id: 'seal',
    label: 'seal + open alone, in the same process',
    async open() {
      await ready();
      const pair = OwnPair.create();
      const content = contentOf(new TextEncoder().encode(TEXT));
      const pass = () => pair.open(1, pair.seal(0, content));
      return {
        version: ourVersion(),
        check: () => Promise.resolve(confirm(pass().length === TEXT.length, 'the text opens')),
        round: async () => ({ [PROCESSOR.name]: await processorMicros(count, pass) }),
      };
    },
  };
}

function writtenCase(scale: Scale): Case {
  const ms = COST_MS[scale.quick ? 'quick' : 'full'];
  return {
    id: 'written',
    title: `${ONE_PAIR}: written to the disk by agents and hub together`,
    measures: [WRITTEN],
    mostRounds: 2,
    entrants: [
      ourEntrant(1, scale, async (world) => {
        const { messages, writtenBytes } = await world.flood(ms);
        return { [WRITTEN.name]: writtenBytes / 1000 / messages };
      }),
    ],
    targets: [{ measure: WRITTEN.name, against: null, atMost: 12 }],
  };
}

function paceCase(scale: Scale): Case {
  const count = (scale.quick ? 0.5 : 5) * PACE_PER_SECOND;
  const sampleOf = (delays: readonly number[]): Sample => ({
    [P50.name]: quantile(delays, 0.5),
    [P99.name]: quantile(delays, 0.99),
  });
  const redis = hubEntrants.redis({
    lanes: 1,
    scale,
    async measure(lanes) {
      const load = { count, perSecond: PACE_PER_SECOND, bytes: TEXT.length };
      return { messages: count, sample: sampleOf(await paced(lanes, load)) };
    },
  });
  return {
    id: 'pace',
    title: `1 pair at ${PACE_PER_SECOND} messages/s, from send() to the handler`,
    measures: [P50, P99],
    mostRounds: 3,
    entrants: [
      ourEntrant(1, scale, async (world) => sampleOf(await world.pace(count, PACE_PER_SECOND))),
      { ...redis, label: `${redis.label}, alone` },
    ],
    targets: [{ measure: P50.name, against: 'redis', atMost: 3 }],
  };
}

function deliveredCase(scale: Scale): Case {
  const count = scale.quick ? 5 : 30;
  return {
    id: 'delivered',
    title: '1 pair, an idle line: from send() until it is known to be delivered',
    measures: [P50],
    mostRounds: 3,
    entrants: [
      ourEntrant(1, scale, async (world) => ({
        [P50.name]: quantile(await world.receipts(count), 0.5),
      })),
    ],
    targets: [{ measure: P50.name, against: null, atMost: 30 }],
  };
}

function ourEntrant(
  pairs: number,
  scale: Scale,
  measure: (world: AgentWorld) => Promise<Sample>,
): Entrant {
  return {
    id: OURS,
    label: 'AgentMesh agents and hub, SQLite',
    async open() {
      confirmDisk();
      const world = await AgentWorld.create(pairs, scale);
      return {
        version: ourVersion(),
        durability: DURABLE,
        check: () => world.confirm(),
        round: () => measure(world),
        close: () => world.close(),
      };
    },
  };
}
