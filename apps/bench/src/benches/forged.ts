/**
 * What messages cost that someone without keys can send: forged ones, and a genuine one from far
 * ahead, for which keys have to be derived. Beside an ordinary message, opened.
 */
import { LIMITS, ready } from '@agentmesh/crypto';

import { confirm } from '../harness/bench-error.js';
import { OURS } from '../harness/bench.js';
import type { Bench, Case, Contender, Entrant } from '../harness/bench.js';
import { processorMicros } from '../harness/processor-time.js';
import { contentOf, OwnPair } from './own-pair.js';
import { ourVersion } from './our-version.js';

const MEASURE = { name: 'cost', unit: 'µs', better: 'lower' } as const;
/** Where things are in a message (docs/protocol.md, section 2.5). */
const AT = { ratchetKey: 20, tag: 76, ciphertext: 92 } as const;
const TEXT = contentOf(new Uint8Array(256));

export const forgedBench: Bench = {
  name: 'forged',
  title: 'What a stranger can make a receiver do, in processor time',
  cases: ({ quick }) => [forgedCase(quick ? 20 : 200)],
};

function forgedCase(count: number): Case {
  return {
    id: 'forged',
    title: 'one message of 256 B at the receiver',
    measures: [MEASURE],
    entrants: [
      { id: OURS, label: 'genuine: opened', open: () => genuine(count) },
      forged('tag', 'forged, of the current chain: refused', AT.tag, count),
      forged('turn', 'forged, with a new ratchet key: refused', AT.ratchetKey, count),
      forged('ciphertext', 'changed on the way: refused', AT.ciphertext, count),
      { id: 'jump', label: `genuine, ${LIMITS.maxSkip} ahead: opened`, open: () => jump() },
    ],
    targets: [],
  };
}

async function genuine(count: number): Promise<Contender> {
  await ready();
  const pair = OwnPair.create();
  const round = async () => {
    const wires = Array.from({ length: count }, () => pair.seal(0, TEXT));
    const open = (number: number) => pair.open(1, wires[number] ?? new Uint8Array());
    return { [MEASURE.name]: await processorMicros(count, open) };
  };
  return { version: ourVersion(), check: async () => void (await round()), round };
}

/** A message with one bit changed somewhere. */
function forged(id: string, label: string, at: number, count: number): Entrant {
  const open = async (): Promise<Contender> => {
    await ready();
    const pair = OwnPair.create();
    const wire = pair.seal(0, TEXT);
    wire[at] = (wire[at] ?? 0) ^ 1;
    return {
      version: ourVersion(),
      check: () => Promise.resolve(confirm(pair.refuses(1, wire), 'a forgery is refused')),
      async round() {
        const micros = await processorMicros(count, () => pair.refuses(1, wire));
        return { [MEASURE.name]: micros };
      },
    };
  };
  return { id, label, open };
}

/** As far ahead as is allowed, every time from the same session. */
async function jump(): Promise<Contender> {
  await ready();
  const pair = OwnPair.create();
  let wire = pair.seal(0, TEXT);
  for (let skipped = 0; skipped < LIMITS.maxSkip; skipped++) wire = pair.seal(0, TEXT);
  const open = () => pair.fork().open(1, wire);
  return {
    version: ourVersion(),
    check: () => Promise.resolve(void open()),
    round: async () => ({ [MEASURE.name]: await processorMicros(4, open) }),
  };
}
