/**
 * From sending to delivery at 1,000 messages a second, everything durable: the time that one
 * message takes when the server is far from its limit. The load does not wait for the server, so a
 * stall is counted in every message that it delays.
 */
import { paced } from '../brokers/broker.js';
import { confirm } from '../harness/bench-error.js';
import type { Bench, Sample, Scale } from '../harness/bench.js';
import { quantile } from '../harness/statistics.js';
import { hubEntrants, SERVER_TIME } from './hub-entrants.js';
import type { HubWork } from './hub-entrants.js';

const PER_SECOND = 1_000;
const BYTES = 256;
const HIGHEST = { p50: 0.5, p99: 0.99, 'p99.9': 0.999 } as const;
const measures = Object.keys(HIGHEST).map((name) => {
  return { name, unit: 'ms', better: 'lower' } as const;
});

export const latencyBench: Bench = {
  name: 'latency',
  title: `Hub alone: from sending to delivery at ${PER_SECOND.toLocaleString('en')} messages/s`,
  cases: (scale) => [latencyCase(scale)],
};

function latencyCase(scale: Scale) {
  const count = (scale.quick ? 0.5 : 4) * PER_SECOND;
  const work: HubWork = {
    lanes: 1,
    scale,
    async measure(lanes) {
      const [lane] = lanes;
      confirm(lane !== undefined, 'a lane');
      const delays = await paced([lane], { count, perSecond: PER_SECOND, bytes: BYTES });
      return { messages: count, sample: percentilesOf(delays) };
    },
  };
  const { ours, redis, lean } = hubEntrants;
  return {
    id: 'paced',
    title: `1 → 1, blobs of ${BYTES} B`,
    measures: [...measures, SERVER_TIME],
    mostRounds: 3,
    entrants: [ours, redis, lean].map((entrant) => entrant(work)),
    targets: [{ measure: 'p99', against: 'redis', atMost: 1 }],
  };
}

/** The percentiles of some delays, by the name of the measure. */
function percentilesOf(delays: readonly number[]): Sample {
  const named = Object.entries(HIGHEST).map(([name, share]) => [name, quantile(delays, share)]);
  return Object.fromEntries(named) as Sample;
}
