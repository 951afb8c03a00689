/**
 * How cost grows: the same work at sizes from small to large, each a point of a curve. Owns the
 * sizes; the work is that of the other benches.
 */
import { LIMITS, ready } from '@agentmesh/crypto';

import { confirm } from '../harness/bench-error.js';
import type { Bench, Case, Contender, Entrant, Scale } from '../harness/bench.js';
import { processorMicros } from '../harness/processor-time.js';
import { APPEND, FIRST, openQueue } from './backlog.js';
import { openIdle, MEMORY, RATE } from './idle.js';
import { openPopular, SEND, START } from './peers.js';
import { contentOf, OwnPair } from './own-pair.js';
import { ourVersion } from './our-version.js';
import { openSharedHubs, SHARED_RATE, SHARED_TIME } from './shared-hubs.js';

const SEAL = { name: 'seal + open', unit: 'µs', better: 'lower' } as const;

export const growthBench: Bench = {
  name: 'growth',
  title: 'How cost grows',
  cases: (scale) => [sizes, queues, peers, connections, hubs].map((theCase) => theCase(scale)),
};

function points(
  values: readonly number[],
  open: (value: number) => ReturnType<Entrant['open']>,
): Entrant[] {
  return values.map((value) => ({
    id: String(value),
    label: value.toLocaleString('en'),
    open: () => open(value),
  }));
}

function sizes({ quick }: Scale): Case {
  return {
    id: 'size',
    title: 'length of a message: seal and open, in processor time',
    axis: 'bytes',
    measures: [SEAL],
    mostRounds: 3,
    entrants: points([64, 1_024, 16_384, 131_072, LIMITS.bodyBytes], (bytes) =>
      openSize(bytes, quick ? 5 : 50),
    ),
    targets: [],
  };
}

async function openSize(bytes: number, count: number): Promise<Contender> {
  await ready();
  const pair = OwnPair.create();
  const content = contentOf(new Uint8Array(bytes));
  const pass = () => pair.open(1, pair.seal(0, content));
  return {
    version: ourVersion(),
    check: () => Promise.resolve(confirm(pass().length === bytes, 'the text opens')),
    round: async () => ({ [SEAL.name]: await processorMicros(count, pass) }),
  };
}

function queues({ quick }: Scale): Case {
  return {
    id: 'queue',
    title: 'envelopes waiting in one queue: append, and the first delivery',
    axis: 'envelopes',
    measures: [APPEND, FIRST],
    mostRounds: 2,
    entrants: points(quick ? [1, 1_000] : [1, 1_000, 10_000, 100_000], (length) =>
      openQueue(length, quick ? 4 : 40),
    ),
    targets: [],
  };
}

function peers({ quick }: Scale): Case {
  return {
    id: 'peers',
    title: 'peers with a session: start of an agent, and sealing for one of them',
    axis: 'peers',
    measures: [START, SEND],
    mostRounds: 2,
    entrants: points(quick ? [1, 50] : [1, 30, 300, 1_000], openPopular),
    targets: [],
  };
}

function connections({ quick, profileFolder }: Scale): Case {
  return {
    id: 'connections',
    title: 'idle connections of a hub: memory of each, and how fast they come',
    axis: 'connections',
    measures: [MEMORY, RATE],
    mostRounds: 1,
    entrants: points(quick ? [200, 400] : [300, 1_000, 3_000], (count) =>
      openIdle(count, profileFolder),
    ),
    targets: [],
  };
}

function hubs({ quick }: Scale): Case {
  return {
    id: 'hubs',
    title: 'hub processes over one NATS: sixteen senders, each at another hub than the receiver',
    axis: 'hubs',
    measures: [SHARED_RATE, SHARED_TIME],
    mostRounds: 2,
    entrants: points(quick ? [1, 2] : [1, 2, 4, 8], (count) =>
      openSharedHubs(count, quick ? 10 : 200),
    ),
    targets: [],
  };
}
