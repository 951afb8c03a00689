/**
 * Runs of one store (protocol.md §2.11 P6): after an end that was not clean a store goes on as a
 * new instance, whose numbers continue those of the one before. Owns what is said about that, how
 * the numbers of both are told apart, and how either side learns that the store went back in time.
 */
import { CryptoError, equalBytes, LIMITS } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import { isSameStore } from '../self/meta.js';
import { currentWindow, windowAt } from './peer.js';
import type { Peer } from './peer.js';
import { emptyWindow, forkedFrom, highest, isNew, missing } from './sequence-window.js';
import type { RunLink, SequenceWindow, WindowKey } from './sequence-window.js';

/**
 * `goesOn`: my numbers from `number` on follow those of that instance below it. `wentBack`: I have
 * numbers of that instance of yours up to `number`, which you gave a second time.
 */
export interface RunWord extends RunLink {
  readonly what: 'goesOn' | 'wentBack';
  /**
   * How that instance went on itself, and each that is named here, as far as the peer has not
   * acknowledged it: the last first.
   */
  readonly before: readonly RunLink[];
}

const WORDS: readonly RunWord['what'][] = ['goesOn', 'wentBack'];
const LINK = 24;
/** Stands for the instance that the peer knew last. */
const UNKNOWN = new Uint8Array(16);

/** Body of a content of this kind: u8 what, then for each link instance and u64 number. */
export function encodeRunWord({ what, before, ...word }: RunWord): Uint8Array {
  const links = [word, ...before];
  const body = new Uint8Array(1 + links.length * LINK);
  const view = new DataView(body.buffer);
  body[0] = WORDS.indexOf(what);
  for (const [at, { instance, number }] of links.entries()) {
    body.set(instance, 1 + at * LINK);
    view.setBigUint64(17 + at * LINK, BigInt(number));
  }
  return body;
}

/** Strict inverse of {@link encodeRunWord}; throws BAD_CONTENT. */
export function decodeRunWord(body: Uint8Array): RunWord {
  const what = WORDS[body[0] ?? -1];
  const most = what === 'goesOn' ? AGENT_LIMITS.runLinks : 1;
  const count = (body.length - 1) / LINK;
  if (what === undefined || !Number.isInteger(count) || count > most) throw badWord();
  const [first, ...before] = Array.from({ length: count }, (_, at) => readLink(body, at));
  if (first === undefined) throw badWord();
  for (const [at, { number }] of before.entries()) {
    // Each has said at least from where it goes on.
    if (number === 0 || number >= (before[at - 1] ?? first).number) throw badWord();
  }
  return { what, ...first, before };
}

function readLink(body: Uint8Array, at: number): RunLink {
  const [from, to] = [1 + at * LINK, 1 + (at + 1) * LINK];
  const number = Number(new DataView(body.buffer, body.byteOffset + to - 8, 8).getBigUint64(0));
  if (!Number.isSafeInteger(number)) throw badWord();
  return { instance: body.slice(from, to - 8), number };
}

function badWord(): CryptoError {
  return new CryptoError('BAD_CONTENT');
}

/**
 * The links of our runs with one more; the first says what the peer knows, so that it is kept and
 * the one behind it goes where there are too many: what those two have said is asked for again.
 */
export function withLink(links: readonly RunLink[], link: RunLink): readonly RunLink[] {
  // One more has room in a word: where the line began.
  const excess = Math.max(0, links.length + 2 - AGENT_LIMITS.runLinks);
  return [...links, link].toSpliced(1, excess);
}

/** What a word says of the past of our present run, from whose links, the last one its own. */
export function lineFrom(
  { acked, keptFrom }: { readonly acked: number; readonly keptFrom: number },
  links: readonly RunLink[],
): Line {
  // As long as nothing is acknowledged the peer may know of no run of this line.
  const isWhole = acked === 0 && (links[0]?.number ?? 0) > keptFrom;
  const begun = isWhole ? [{ instance: UNKNOWN, number: keptFrom }] : [];
  const [last = { instance: UNKNOWN, number: keptFrom }, ...before] = links.toReversed();
  return { ...last, before: [...before, ...begun] };
}

/**
 * The links that a peer needs once it has our numbers up to `acked`: of runs that it may not know,
 * and of the last that it has heard of, since it keeps the windows of few.
 */
export function unheard(links: readonly RunLink[], acked: number): readonly RunLink[] {
  const next = links.findIndex(({ number }) => number > acked);
  return links.slice(Math.max(0, (next < 0 ? links.length : next) - 1));
}

/** Whether the peer says that its instance goes on from the one that counts as its present one. */
export function goesOnFrom({ what, before, ...word }: RunWord, present: Uint8Array): boolean {
  return what === 'goesOn' && [word, ...before].some((link) => equalBytes(link.instance, present));
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
  if (current === null || !isSameStore(current.instance, instance)) return null;
  // From the first of its line on it is known whose the numbers are.
  const first = linksOf(peer, current).at(-1);
  if (first === undefined || number >= first.number) return null;
  // Far below the mark nobody remembers which message had it: as everywhere a repeat.
  return isNew(current, number) || isHeardHere || !current.seen.includes(number) ? current : null;
}

/** Windows of runs that follow an instance, where it still had this number, the next first. */
function later(peer: Peer, { since, instance }: WindowKey, number: number): SequenceWindow[] {
  const following: { readonly window: SequenceWindow; readonly at: number }[] = [];
  for (const window of peer.windows) {
    if (window.since !== since || window.parent === null) continue;
    const links = linksOf(peer, window);
    const at = links.findIndex((link) => equalBytes(link.instance, instance));
    const isShared = at >= 0 && links.slice(0, at + 1).every((link) => number < link.number);
    if (isShared) following.push({ window, at });
  }
  return following.toSorted((a, b) => a.at - b.at).map(({ window }) => window);
}

/** From where a run goes on, and those before it, the last first, as far as they are known. */
function linksOf(peer: Peer, { since, instance }: WindowKey): readonly RunLink[] {
  const links: RunLink[] = [];
  let at = instance;
  for (let steps = 0; steps <= peer.windows.length; steps++) {
    const parent = windowAt(peer, { since, instance: at })?.parent ?? null;
    if (parent === null) break;
    links.push({ instance: parent.instance, number: parent.from }, ...parent.before);
    at = links.at(-1)?.instance ?? at;
  }
  return links;
}

/** Whether an instance is one that another goes on from, as far as the peer has said. */
export function isEarlierRun(
  peer: Peer,
  { since, instance }: WindowKey,
  than: Uint8Array | null,
): boolean {
  if (than === null) return false;
  const links = linksOf(peer, { since, instance: than });
  return links.some((link) => equalBytes(link.instance, instance));
}

/** Runs from which one has said that it goes on, the last first, as far as they are known. */
export function lineOf(peer: Peer, key: WindowKey): readonly Uint8Array[] {
  if ((windowAt(peer, key)?.parent ?? null) === null) return [];
  const links = linksOf(peer, key);
  // Before its first number nothing was said.
  const first = links.findIndex(({ number }) => number === 1);
  return links.slice(0, first < 0 ? links.length : first).map(({ instance }) => instance);
}

/**
 * What is known of a run, and of those that its word names, once that has come. Those of which
 * nothing else has come are not kept: those that follow them know what they say.
 */
export function goneOn(peer: Peer, key: WindowKey, word: Line) {
  const line = unsaid(peer, key, [word, ...word.before]);
  const own = line.map(({ run }) => windowAt(peer, run));
  // What goes on from one cannot be what that one knew last.
  let windows = peer.windows.filter((window) => !own.includes(window));
  let wentBack: SequenceWindow | null = null;
  const changed: SequenceWindow[] = [];
  for (const [at, { run, word: said }] of line.entries()) {
    const window = own[at] ?? null;
    const known = { ...peer, windows: window === null ? windows : [...windows, window] };
    const next = continued(known, run, said);
    windows = [...windows, next.window];
    wentBack ??= next.wentBack;
    if (window !== null || equalBytes(run.instance, key.instance)) changed.push(next.window);
  }
  return { windows: changed, wentBack };
}

/** What a run says of its past. */
type Line = RunLink & Pick<RunWord, 'before'>;

/** Of a line of runs those that have not said themselves from where they go on, the first first. */
function unsaid(peer: Peer, key: WindowKey, links: readonly RunLink[]) {
  const line = links.map((link, at) => ({
    run: { since: key.since, instance: links[at - 1]?.instance ?? key.instance },
    word: { ...link, before: links.slice(at + 1) },
  }));
  const said = line.findIndex(({ run }) => (windowAt(peer, run)?.parent ?? null) !== null);
  return (said < 0 ? line : line.slice(0, said)).toReversed();
}

/** The window of a run that goes on from another one. */
export function continued(peer: Peer, key: WindowKey, { instance, number, before }: Line) {
  const window = windowAt(peer, key) ?? emptyWindow(key);
  const parent = parentOf(peer, key, instance);
  // One that would go on from itself, if only by way of others, is not believed.
  const isCircle =
    equalBytes(parent?.instance ?? instance, key.instance) ||
    isEarlierRun(peer, key, parent?.instance ?? instance);
  if (window.parent !== null || isCircle) return { window, wentBack: null };
  const from = { instance: parent?.instance ?? instance, from: number, before };
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
  return forkedFrom(window, before, {
    instance: before.instance,
    from: first - 1,
    before: [],
  });
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
    (window) => window.since === since && isEarlierRun(peer, { since, instance }, window.instance),
  );
}

/** A window of an earlier run in which a number is taken that a later run has given as well. */
export function isTakenTwice(peer: Peer, window: SequenceWindow): boolean {
  return peer.windows.some(
    (other) =>
      other.since === window.since &&
      other.parent !== null &&
      linksOf(peer, other).some(
        ({ instance, number }) =>
          number <= highest(window) && equalBytes(instance, window.instance),
      ),
  );
}
