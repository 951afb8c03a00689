/**
 * Setting up a session with post-quantum prekeys, both ends: the bundle is checked, the first
 * message sealed, sent and opened. Making and publishing prekeys happens before, in both.
 */
import { ready } from '@agentmesh/crypto';

import { OURS } from '../harness/bench.js';
import type { Absent, Bench, Case, Contender } from '../harness/bench.js';
import { confirm } from '../harness/bench-error.js';
import { processorMicros } from '../harness/processor-time.js';
import { Signal } from '../peers/libsignal.js';
import { answerSession, beginSession, checkedBundle, ownAgent, ownPrekeys } from './own-pair.js';
import { ourVersion } from './our-version.js';

const MEASURE = { name: 'set-up', unit: 'µs', better: 'lower' } as const;

export const sessionBench: Bench = {
  name: 'session',
  title: 'Set up a post-quantum session, both ends, in processor time',
  cases: ({ quick }) => [setUpCase(quick ? 10 : 100)],
};

function setUpCase(count: number): Case {
  return {
    id: 'set-up',
    title: 'check the bundle, seal the first message, open it',
    measures: [MEASURE],
    entrants: [
      { id: OURS, label: 'AgentMesh', open: () => ours(count) },
      { id: 'libsignal', label: 'libsignal PQXDH', open: () => signals(count) },
    ],
    targets: [{ measure: MEASURE.name, against: 'libsignal', atMost: 0.8 }],
  };
}

async function ours(count: number): Promise<Contender> {
  await ready();
  const [alice, bob] = [ownAgent('alice'), ownAgent('bob')];
  const prekeys = ownPrekeys(bob);
  const setUp = (): boolean => {
    const { wire } = beginSession(alice, checkedBundle(bob, prekeys));
    return answerSession(bob, wire, prekeys).phase === 'established';
  };
  return {
    version: ourVersion(),
    check() {
      confirm(setUp(), 'both ends have a session');
      return Promise.resolve();
    },
    round: async () => ({ [MEASURE.name]: await processorMicros(count, setUp) }),
  };
}

async function signals(count: number): Promise<Contender | Absent> {
  const signal = await Signal.load();
  if ('absent' in signal) return signal;
  const bob = signal.party(2);
  const bundle = await signal.publish(bob);
  let parties = 3;
  const text = Uint8Array.of(1);
  const setUp = async (): Promise<Uint8Array> => {
    parties += 1;
    const alice = signal.party(parties);
    await signal.begin(alice, bob, bundle);
    return signal.open(alice, bob, await signal.seal(alice, bob, text));
  };
  return {
    version: signal.version,
    async check() {
      confirm((await setUp())[0] === text[0], 'the first message opens');
    },
    round: async () => ({ [MEASURE.name]: await processorMicros(count, setUp) }),
  };
}
