/**
 * Runs of one store (protocol.md §2.11 P6): after an end that was not clean a store goes on as a
 * new instance, whose numbers continue those of the one before. Owns what is said about that, how
 * the numbers of both are told apart, and how either side learns that the store went back in time.
 */
import { CryptoError, equalBytes, LIMITS } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import { isSameStore } from '../self/meta.js';
import { currentWindow, windowAt } from './peer.js';
import type { Peer } from './peer.js';
import { emptyWindow, forkedFrom, highest, isNew, missing } from './sequence-window.js';
import type { SequenceWindow, WindowKey } from './sequence-window.js';

/**
 * `goesOn`: my numbers from `number` on follow those of that instance below it. `wentBack`: I have
 * numbers of that instance of yours up to `number`, which you gave a second time.
 */
export interface RunWord {
  readonly what: 'goesOn' | 'wentBack';
  /** 16 bytes; zeros for the instance that the peer knew last. */
  readonly instance: Uint8Array;
  readonly number: number;
}

const WORDS: readonly RunWord['what'][] = ['goesOn', 'wentBack'];
const LENGTH = 25;

/** Body of a content of this kind: u8 what, instance, u64 number. */
export function encodeRunWord({ what, instance, number }: RunWord): Uint8Array {
  const body = new Uint8Array(LENGTH);
  body[0] = WORDS.indexOf(what);
  body.set(instance, 1);
  new DataView(body.buffer).setBigUint64(LENGTH - 8, BigInt(number));
  return body;
}

/** Strict inverse of {@link encodeRunWord}; throws BAD_CONTENT. */
export function decodeRunWord(body: Uint8Array): RunWord {
  const what = WORDS[body[0] ?? -1];
  if (body.length !== LENGTH || what === undefined) throw new CryptoError('BAD_CONTENT');
  const view = new DataView(body.buffer, body.byteOffset, LENGTH);
  const number = Number(view.getBigUint64(LENGTH - 8));
  if (!Number.isSafeInteger(number)) throw new CryptoError('BAD_CONTENT');
  return { what, instance: body.slice(1, LENGTH - 8), number };
}

/** Whether the peer says that its instance goes on from the one that counts as its present one. */
export function goesOnFrom({ what, instance }: RunWord, present: Uint8Array): boolean {
  return what === 'goesOn' && equalBytes(instance, present);
}

/**
 * Whether a message is late: of a store heard before the present one, by any identity of ours, and
 * sent before that was.
 */
export function isOfPastStore(peer: Peer, instance: Uint8Array, sentAtMs: number): boolean {
  const { instance: present, windows } = peer;
  if (present === null || isSameStore(present, instance)) return false;
  const isHeard = windows.some((window) => equalBytes(window.instance, instance));
  return isHeard && isOlderThan(peer, present, sentAtMs);
}

/** Whether something was sent before there was any session with an instance. */
function isOlderThan({ sessions }: Peer, than: Uint8Array, sentAtMs: number): boolean {
  const its = sessions.filter(({ instance }) => instance !== null && equalBytes(instance, than));
  return its.length > 0 && its.every(({ createdMs }) => sentAtMs < createdMs);
}

/**
 * Whether a run of the present one's store began before it and is only late. One thing alone shows
 * nothing: a store that went back has a boot of before, a clock that was set back a time of before.
 */
export function isLate(
  { spoken }: Peer,
  { boot, sentAtMs }: { readonly boot: number; readonly sentAtMs: number },
): boolean {
  return boot < spoken.boot && sentAtMs <= spoken.atMs;
}

/**
 * The windows in which one number counts: its own, then those of later runs that share it. A
 * window that is not kept any more is left out if a later run remembers its numbers.
 */
export function windowsOf(
  peer: Peer,
  key: WindowKey,
  number: number,
  isHeardHere: boolean,
): readonly [SequenceWindow, ...SequenceWindow[]] {
  const own = windowAt(peer, key);
  const linked = later(peer, key, number);
  const isPresent = peer.instance !== null && equalBytes(peer.instance, key.instance);
  const current = isPresent ? null : currentFor(peer, key, number, isHeardHere);
  const found = current === null || linked.includes(current) ? linked : [...linked, current];
  const [first = own ?? emptyWindow(key), ...rest] = own === null ? found : [own, ...found];
  return [first, ...rest];
}

/**
 * The window of the peer's present run, where a number of an earlier one is missing, or was
 * received as this very message: the runs between the two may be forgotten, or never have come.
 */
function currentFor(
  peer: Peer,
  { since, instance }: WindowKey,
  number: number,
  isHeardHere: boolean,
): SequenceWindow | null {
  const current =
    peer.instance === null ? null : windowAt(peer, { since, instance: peer.instance });
  if (current === null || current.parent === null || number >= current.parent.from) return null;
  if (!isSameStore(current.instance, instance)) return null;
  // Far below the mark nobody remembers which message had it: as everywhere a repeat.
  return isNew(current, number) || isHeardHere || !current.seen.includes(number) ? current : null;
}

/** Windows of runs that follow an instance, where it still had this number. */
function later(peer: Peer, { since, instance }: WindowKey, number: number): SequenceWindow[] {
  const children = peer.windows.filter(
    ({ parent, since: at }) =>
      at === since &&
      parent !== null &&
      number < parent.from &&
      equalBytes(parent.instance, instance),
  );
  return children.flatMap((child) => [child, ...later(peer, child, number)]);
}

/** Whether an instance is one that another goes on from, as far as the peer has said. */
export function isEarlierRun(
  peer: Peer,
  { since, instance }: WindowKey,
  than: Uint8Array | null,
): boolean {
  let at = than;
  for (let steps = 0; at !== null && steps <= peer.windows.length; steps++) {
    const parent: SequenceWindow['parent'] =
      windowAt(peer, { since, instance: at })?.parent ?? null;
    if (parent !== null && equalBytes(parent.instance, instance)) return true;
    at = parent?.instance ?? null;
  }
  return false;
}

/** Runs from which one has said that it goes on, the last first, as far as they are known. */
export function lineOf(peer: Peer, { since, instance }: WindowKey): readonly Uint8Array[] {
  const line: Uint8Array[] = [];
  for (let at = instance; line.length <= peer.windows.length;) {
    const window = windowAt(peer, { since, instance: at });
    // Before its first number nothing was said.
    if (window === null || window.parent === null || window.parent.from === 1) break;
    at = window.parent.instance;
    line.push(at);
  }
  return line;
}

/** The window of a run once its peer has said from where it goes on. */
export function continued(peer: Peer, key: WindowKey, { instance, number }: RunWord) {
  const window = windowAt(peer, key) ?? emptyWindow(key);
  const parent = parentOf(peer, key, instance);
  // One that would go on from itself, if only by way of others, is not believed.
  const isCircle =
    equalBytes(parent?.instance ?? instance, key.instance) ||
    isEarlierRun(peer, key, parent?.instance ?? instance);
  if (window.parent !== null || isCircle) return { window, wentBack: null };
  const from = { instance: parent?.instance ?? instance, from: number };
  // Of the run that it names nothing may have come yet, or ever: what came of those before it
  // counts all the same. The number before is that run's own: who else has it is of a lost time.
  const forked = forkedFrom(window, parent ?? lastBelow(peer, key, number - 1), from);
  const wentBack = parent !== null && highest(parent) >= number ? parent : null;
  return { window: forked, wentBack };
}

/** Of the other runs of the same store whose numbers are all below this one the last. */
function lastBelow(peer: Peer, key: WindowKey, number: number): SequenceWindow | null {
  const below = othersOf(peer, key).filter((window) => highest(window) < number);
  return below.toSorted((a, b) => highest(a) - highest(b)).at(-1) ?? null;
}

/**
 * Numbers of its current instance that are missing before others that came. What came of the runs
 * before is not, also while the current one has not said from where it goes on.
 */
export function holesOf(peer: Peer, since: number): SequenceRange[] {
  const window = currentWindow(peer, since);
  if (window === null) return [];
  const isOpen = window.parent === null && window.low === 0;
  return missing(isOpen ? supposed(peer, window) : window, LIMITS.retryRanges);
}

/**
 * The window of a run as it will be if it goes on from the last one below it. The first thing that
 * it has said is from where it goes on: that was of this run, whoever else had a number there.
 */
function supposed(peer: Peer, window: SequenceWindow): SequenceWindow {
  const [first = 0] = window.seen;
  const before = lastBelow(peer, window, first);
  if (before === null) return window;
  return forkedFrom(window, before, { instance: before.instance, from: first - 1 });
}

/** The window of the instance that is named; zeros stand for the last one of the same store. */
function parentOf(peer: Peer, key: WindowKey, named: Uint8Array): SequenceWindow | null {
  if (named.some((byte) => byte !== 0)) {
    return windowAt(peer, { since: key.since, instance: named });
  }
  return lastOf(peer, key);
}

/** The last window of another run of the same store. */
function lastOf(peer: Peer, key: WindowKey): SequenceWindow | null {
  return othersOf(peer, key).at(-1) ?? null;
}

function othersOf(peer: Peer, key: WindowKey): readonly SequenceWindow[] {
  return peer.windows.filter(
    ({ since, instance }) =>
      since === key.since &&
      isSameStore(instance, key.instance) &&
      !equalBytes(instance, key.instance),
  );
}

/** Whether an instance is known only because a later run goes on from it. */
export function isKnownParent(peer: Peer, { since, instance }: WindowKey): boolean {
  return peer.windows.some(
    (window) =>
      window.since === since &&
      window.parent !== null &&
      equalBytes(window.parent.instance, instance),
  );
}

/** A window of an earlier run in which a number is taken that a later run has given as well. */
export function isTakenTwice(peer: Peer, window: SequenceWindow): boolean {
  return peer.windows.some(
    ({ since, parent }) =>
      since === window.since &&
      parent !== null &&
      equalBytes(parent.instance, window.instance) &&
      highest(window) >= parent.from,
  );
}
