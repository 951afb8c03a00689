/**
 * Sealing and opening one message, both ends in one process: one direction (a stream of messages)
 * and ping-pong (every message turns the ratchet). Owns the cases; the peers are in `peers`.
 */
import { ready } from '@agentmesh/crypto';

import { confirm } from '../harness/bench-error.js';
import { OURS } from '../harness/bench.js';
import type { Bench, Case, Contender, Entrant, Scale } from '../harness/bench.js';
import { processorMicros } from '../harness/processor-time.js';
import { MlsPair } from '../peers/mls.js';
import { olmPair } from '../peers/olm.js';
import { Signal } from '../peers/libsignal.js';
import { Floor } from './floor.js';
import { contentOf, OwnPair } from './own-pair.js';
import { ourVersion } from './our-version.js';
import { pythonSealing } from '../peers/python.js';

type End = 0 | 1;
/** Seals at one end and opens at the other; gives the opened text. */
type Pass = (from: End, text: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** How messages go: always from the same end, or in turns. */
export type Direction = 'one way' | 'ping-pong';

const MESSAGES = { full: 600, quick: 60 } as const;
const MEASURE = { name: 'seal + open', unit: 'µs', better: 'lower' } as const;

export const sealBench: Bench = {
  name: 'seal',
  title: 'Seal and open one message, both ends, in processor time',
  cases: (scale) =>
    ([256, 4096] as const).flatMap((bytes) =>
      (['one way', 'ping-pong'] as const).map((direction) => sealCase(bytes, direction, scale)),
    ),
};

function sealCase(bytes: number, direction: Direction, scale: Scale): Case {
  const work = {
    text: textOf(bytes),
    direction,
    messages: MESSAGES[scale.quick ? 'quick' : 'full'],
  };
  const entrant = (id: string, label: string, open: () => Promise<PassOrAbsent>): Entrant => ({
    id,
    label,
    open: async () => {
      const opened = await open();
      return 'absent' in opened ? opened : contenderOf(opened, work);
    },
  });
  const measure = MEASURE.name;
  return {
    id: `${bytes}-${direction.replace(' ', '-')}`,
    title: `${bytes} B, ${direction}`,
    measures: [MEASURE],
    // Engines compile for longer than one round: code that runs for hours shows itself after some.
    warmUps: 8,
    entrants: [
      entrant(OURS, 'AgentMesh', openOurs),
      entrant('libsignal', 'libsignal (no signature per message)', openSignal),
      entrant('floor', 'floor of this design: primitives in a bare loop', () =>
        openFloor(direction === 'ping-pong'),
      ),
      entrant('ts-mls', 'ts-mls, group of two', openMls),
      entrant('olm', 'olm (no post-quantum keys, no signature per message)', openOlm),
      pythonSealing(work),
    ],
    targets: [
      { measure, against: 'libsignal', atMost: bytes === 256 ? 1 : 1.2 },
      { measure, against: 'floor', atMost: 1.3 },
      { measure, against: 'ts-mls', atMost: 0.2 },
    ],
  };
}

type PassOrAbsent = { readonly version: string; readonly pass: Pass } | { readonly absent: string };

function contenderOf(
  { version, pass }: { readonly version: string; readonly pass: Pass },
  work: { readonly text: Uint8Array; readonly direction: Direction; readonly messages: number },
): Contender {
  const fromOf = (number: number): End => (work.direction === 'ping-pong' && number % 2 ? 1 : 0);
  return {
    version,
    async check() {
      for (let number = 0; number < 4; number++) {
        const opened = await pass(fromOf(number), work.text);
        confirm(Buffer.compare(opened, work.text) === 0, 'what was opened is what was sealed');
      }
    },
    async round() {
      const micros = await processorMicros(work.messages, (number) =>
        pass(fromOf(number), work.text),
      );
      return { [MEASURE.name]: micros };
    },
  };
}

async function openOurs(): Promise<PassOrAbsent> {
  await ready();
  const pair = OwnPair.create();
  const pass: Pass = (from, text) =>
    pair.open(from === 0 ? 1 : 0, pair.seal(from, contentOf(text)));
  return { version: ourVersion(), pass };
}

async function openSignal(): Promise<PassOrAbsent> {
  const signal = await Signal.load();
  if ('absent' in signal) return signal;
  const parties = [signal.party(1), signal.party(2)] as const;
  await signal.begin(parties[0], parties[1], await signal.publish(parties[1]));
  const pass: Pass = async (from, text) => {
    const [sender, receiver] = from === 0 ? parties : [parties[1], parties[0]];
    return signal.open(sender, receiver, await signal.seal(sender, receiver, text));
  };
  // Both ends have heard each other: no message carries prekeys any more.
  await pass(0, Uint8Array.of(1));
  await pass(1, Uint8Array.of(2));
  return { version: signal.version, pass };
}

async function openFloor(turn: boolean): Promise<PassOrAbsent> {
  const floor = await Floor.create();
  const pass: Pass = (_, text) => {
    floor.message(text, turn);
    return text;
  };
  return { version: '', pass };
}

async function openMls(): Promise<PassOrAbsent> {
  const pair = await MlsPair.create();
  if ('absent' in pair) return pair;
  const pass: Pass = async (from, text) =>
    pair.open(from === 0 ? 1 : 0, await pair.seal(from, text));
  return { version: pair.version, pass };
}

async function openOlm(): Promise<PassOrAbsent> {
  const pair = await olmPair();
  if ('absent' in pair) return pair;
  const { ends } = pair;
  const pass: Pass = (from, text) => {
    const message = ends[from].seal(Buffer.from(text).toString('latin1'));
    return Buffer.from(ends[from === 0 ? 1 : 0].open(message), 'latin1');
  };
  return { version: pair.version, pass };
}

/** Printable, so that peers whose messages are texts are not at a disadvantage. */
function textOf(bytes: number): Uint8Array {
  return new Uint8Array(bytes).map((_, at) => 0x41 + (at % 26));
}
