/**
 * The hub alone: messages that are sent, made durable, delivered and acknowledged, as fast as a
 * window of 256 unaccepted messages per sender lets them.
 */
import { pump } from '../brokers/broker.js';
import type { Bench, Case, Scale, Target } from '../harness/bench.js';
import { hubEntrants, SERVER_TIME } from './hub-entrants.js';
import type { HubWork } from './hub-entrants.js';

const MEASURE = { name: 'rate', unit: 'messages/s', better: 'higher' } as const;
/** Messages per round, over all lanes. */
const MESSAGES = { 256: 24_000, 4096: 8_000 } as const;

export const hubBench: Bench = {
  name: 'hub',
  title: 'Hub alone: send, make durable, deliver, acknowledge',
  cases: (scale) =>
    ([256, 4096] as const).flatMap((bytes) =>
      ([1, 8] as const).map((lanes) => hubCase(bytes, lanes, scale)),
    ),
};

function hubCase(bytes: 256 | 4096, lanes: number, scale: Scale): Case {
  const count = MESSAGES[bytes] / lanes / (scale.quick ? 10 : 1);
  const work: HubWork = {
    lanes,
    scale,
    async measure(all) {
      const sample = { [MEASURE.name]: await pump(all, { count, bytes }) };
      return { messages: count * lanes, sample };
    },
  };
  const { ours, redis, official, lean, relay } = hubEntrants;
  return {
    id: `${lanes}-${bytes}`,
    title: `${lanes} → ${lanes}, blobs of ${bytes} B`,
    measures: [MEASURE, SERVER_TIME],
    entrants: [ours, redis, official, lean, relay].map((entrant) => entrant(work)),
    targets: targetsOf(bytes, lanes),
  };
}

function targetsOf(bytes: 256 | 4096, lanes: number): Target[] {
  const target = (against: string, atLeast: number): Target => {
    return { measure: MEASURE.name, against, atLeast };
  };
  const both = [target('redis', bytes === 4096 && lanes === 1 ? 1.5 : 1), target('relay', 0.5)];
  if (bytes === 4096) return [...both, target('jetstream-official', 1.2)];
  return [...both, target('jetstream-official', 3), target('jetstream-lean', 1)];
}
