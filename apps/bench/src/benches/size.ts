/**
 * Bytes on the wire of one message: first ones, which carry what sets up the session, and later
 * ones. Reported beside libsignal's; ours carry a signature and hide their length by padding.
 */
import { ready } from '@agentmesh/crypto';

import { OURS } from '../harness/bench.js';
import type { Absent, Bench, Case, Contender } from '../harness/bench.js';
import { Signal } from '../peers/libsignal.js';
import {
  beginSession,
  checkedBundle,
  contentOf,
  ownAgent,
  OwnPair,
  ownPrekeys,
} from './own-pair.js';
import { ourVersion } from './our-version.js';

const FIRST = { name: 'first message of 1 B', unit: 'B', better: 'lower' } as const;
const SIZES = [256, 4096] as const;
const laterOf = (bytes: number) =>
  ({ name: `later, ${bytes} B`, unit: 'B', better: 'lower' }) as const;

export const sizeBench: Bench = {
  name: 'size',
  title: 'Bytes on the wire',
  cases: () => [sizeCase],
};

const sizeCase: Case = {
  id: 'size',
  title: 'one end-to-end message, without frames and transport',
  measures: [FIRST, ...SIZES.map(laterOf)],
  mostRounds: 1,
  entrants: [
    { id: OURS, label: 'AgentMesh (signed, padded)', open: ours },
    { id: 'content', label: 'of which: content before padding, with signature', open: unpadded },
    { id: 'libsignal', label: 'libsignal', open: signals },
  ],
  targets: [],
};

async function ours(): Promise<Contender> {
  await ready();
  const pair = OwnPair.create();
  const [alice, bob] = [ownAgent('alice'), ownAgent('bob')];
  const first = beginSession(alice, checkedBundle(bob, ownPrekeys(bob))).wire.length;
  const sizes = SIZES.map((bytes) => {
    const wire = pair.seal(0, contentOf(new Uint8Array(bytes)));
    pair.open(1, wire);
    return [laterOf(bytes).name, wire.length] as const;
  });
  return measured(ourVersion(), { [FIRST.name]: first, ...Object.fromEntries(sizes) });
}

const SIGNATURE_BYTES = 64;

function unpadded(): Promise<Contender> {
  const size = (bytes: number): number => contentOf(new Uint8Array(bytes)).length + SIGNATURE_BYTES;
  const sizes = SIZES.map((bytes) => [laterOf(bytes).name, size(bytes)] as const);
  const sample = { [FIRST.name]: size(1), ...Object.fromEntries(sizes) };
  return Promise.resolve(measured(ourVersion(), sample));
}

async function signals(): Promise<Contender | Absent> {
  const signal = await Signal.load();
  if ('absent' in signal) return signal;
  const [alice, bob] = [signal.party(1), signal.party(2)];
  await signal.begin(alice, bob, await signal.publish(bob));
  const first = await signal.seal(alice, bob, Uint8Array.of(1));
  await signal.open(alice, bob, first);
  await signal.open(bob, alice, await signal.seal(bob, alice, Uint8Array.of(2)));
  const sample: Record<string, number> = { [FIRST.name]: first.wire.length };
  for (const bytes of SIZES) {
    const message = await signal.seal(alice, bob, new Uint8Array(bytes));
    await signal.open(alice, bob, message);
    sample[laterOf(bytes).name] = message.wire.length;
  }
  return measured(signal.version, sample);
}

/** Everything was opened on the way here; the sizes are what they are. */
function measured(version: string, sample: Record<string, number>): Contender {
  return { version, check: () => Promise.resolve(), round: () => Promise.resolve(sample) };
}
