/**
 * Hubs over one NATS: one of them beside JetStream with a lean client, and what several cost beside
 * one. Owns the cases; starting hubs is `shared-hubs`', the lean client `brokers/jetstream`'s.
 */
import { pump } from '../brokers/broker.js';
import { OURS } from '../harness/bench.js';
import type { Bench, Case, Contender, Entrant, Scale } from '../harness/bench.js';
import { hubEntrants, SERVER_TIME } from './hub-entrants.js';
import { openSharedHubs, SHARED_RATE, SHARED_TIME } from './shared-hubs.js';

const LANES = 16;
const BYTES = 256;

export const clusterBench: Bench = {
  name: 'cluster',
  title: 'Hubs over one NATS JetStream',
  cases: (scale) => [
    leanCase(scale),
    costCase(4, 1.1, scale),
    ...(scale.quick ? [] : [costCase(16, 1.2, scale)]),
  ],
};

/** Messages of one lane in one round. */
function countOf({ quick }: Scale): number {
  return quick ? 20 : 400;
}

function hubsOf(hubs: number, scale: Scale): Entrant['open'] {
  return () => openSharedHubs(hubs, countOf(scale));
}

function leanCase(scale: Scale): Case {
  const count = countOf(scale) * 4;
  const lean = hubEntrants.lean({
    lanes: LANES,
    scale,
    async measure(lanes) {
      return {
        messages: count * LANES,
        sample: { rate: await pump(lanes, { count, bytes: BYTES }) },
      };
    },
  });
  return {
    id: 'lean',
    title: `one hub over one NATS, ${LANES} → ${LANES}, blobs of ${BYTES} B`,
    measures: [SHARED_RATE, SHARED_TIME],
    mostRounds: 3,
    entrants: [
      { id: OURS, label: 'AgentMesh hub over NATS', open: hubsOf(1, scale) },
      { ...lean, open: async () => withSharedTime(await lean.open()) },
    ],
    targets: [{ measure: SHARED_RATE.name, against: lean.id, atLeast: 0.4 }],
  };
}

/** NATS is all that there is of its servers. */
function withSharedTime(opened: Awaited<ReturnType<Entrant['open']>>): typeof opened {
  if ('absent' in opened) return opened;
  const contender: Contender = {
    version: opened.version,
    check: () => opened.check(),
    async round() {
      const sample = await opened.round();
      return { ...sample, [SHARED_TIME.name]: sample[SERVER_TIME.name] ?? Number.NaN };
    },
  };
  const said = opened.durability === undefined ? {} : { durability: opened.durability };
  return { ...contender, ...said, close: async () => opened.close?.() };
}

function costCase(hubs: number, atMost: number, scale: Scale): Case {
  return {
    id: `cost-${hubs}`,
    title: `${hubs} hubs over one NATS: what a message costs all servers`,
    measures: [SHARED_TIME, SHARED_RATE],
    mostRounds: 3,
    entrants: [
      { id: OURS, label: `AgentMesh, ${hubs} hubs`, open: hubsOf(hubs, scale) },
      { id: 'one', label: 'AgentMesh, one hub', open: hubsOf(1, scale) },
    ],
    targets: [{ measure: SHARED_TIME.name, against: 'one', atMost }],
  };
}
