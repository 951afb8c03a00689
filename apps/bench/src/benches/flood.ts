/**
 * Fifty agents that write now and then, beside one that sends as fast as it can: from sending to
 * delivery, and the same on a quiet hub. The flood is a process of its own with less priority: an
 * attacker does not own the processor of those whom it delays. The load of the fifty does not wait
 * for the server, so a stall is counted in every message that it delays.
 */
import { paced, pump } from '../brokers/broker.js';
import type { Bench, Case, Sample, Scale } from '../harness/bench.js';
import { quantile } from '../harness/statistics.js';
import { Flood } from '../peers/flood.js';
import { hubEntrants, SERVER_TIME } from './hub-entrants.js';
import type { HubWork } from './hub-entrants.js';

const HONEST = 50;
/** Messages of all fifty together. */
const PER_SECOND = 200;
const BYTES = 256;
const MEASURES = [
  { name: 'p50', unit: 'ms', better: 'lower' },
  { name: 'p99', unit: 'ms', better: 'lower' },
  { name: 'offered', unit: 'messages/s', better: 'higher' },
  { name: 'flood', unit: 'messages/s', better: 'higher' },
] as const;

export const floodBench: Bench = {
  name: 'flood',
  title: `Hub alone: ${HONEST} agents with ${PER_SECOND} messages/s together, beside a flood`,
  cases: (scale) => [floodCase(scale), aloneCase(scale)],
};

function floodCase(scale: Scale): Case {
  const work = (hasFlood: boolean): HubWork => ({
    lanes: HONEST,
    scale,
    async measure(lanes, port) {
      const count = (scale.quick ? 1 : 5) * PER_SECOND;
      const flood = hasFlood ? await Flood.of(port) : null;
      const delays = await paced(lanes, { count, perSecond: PER_SECOND, bytes: BYTES });
      const { offered, delivered } = flood?.rates() ?? { offered: 0, delivered: 0 };
      const flooded = (await flood?.stop()) ?? 0;
      const sample: Sample = {
        p50: quantile(delays, 0.5),
        p99: quantile(delays, 0.99),
        offered,
        flood: delivered,
      };
      return { messages: count + flooded, sample };
    },
  });
  const quiet = { id: 'quiet', label: 'the same hub without the flood' };
  return {
    id: 'honest',
    title: `${HONEST} → ${HONEST}, blobs of ${BYTES} B`,
    measures: [...MEASURES, SERVER_TIME],
    mostRounds: 3,
    entrants: [hubEntrants.ours(work(true)), { ...hubEntrants.ours(work(false)), ...quiet }],
    targets: [{ measure: 'p99', against: 'quiet', atMost: 2 }],
  };
}

/** A sender that is alone may use the hub: nobody else waits for what it is denied. */
function aloneCase(scale: Scale): Case {
  const rate = { name: 'rate', unit: 'messages/s', better: 'higher' } as const;
  const work = (lanes: number): HubWork => ({
    lanes,
    scale,
    async measure(all) {
      const count = (scale.quick ? 2_400 : 24_000) / lanes;
      return {
        messages: count * lanes,
        sample: { rate: await pump(all, { count, bytes: BYTES }) },
      };
    },
  });
  const eight = { id: 'eight', label: 'the same hub with eight senders' };
  return {
    id: 'alone',
    title: `one sender on an idle hub, blobs of ${BYTES} B`,
    measures: [rate, SERVER_TIME],
    mostRounds: 3,
    entrants: [hubEntrants.ours(work(1)), { ...hubEntrants.ours(work(8)), ...eight }],
    targets: [{ measure: rate.name, against: 'eight', atLeast: 0.5 }],
  };
}
