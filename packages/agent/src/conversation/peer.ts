/**
 * What is known of one peer: identity, pin, trust, newest records, sessions and both directions'
 * numbers. Owns this value, its storage form and its small transitions; who may become a peer is
 * `trust`'s judgement, what a message changes is `receive`'s and `compose`'s.
 */
import { aidOf, equalBytes, fingerprintOf } from '@agentmesh/crypto';
import type { IdentityRecord, PublicIdentity } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import { isSameStore } from '../self/meta.js';
import { DecodedRows, RowReader, RowWriter } from '../store/row-codec.js';
import { freshOutgoing, readOutgoing, writeOutgoing } from './outgoing.js';
import type { Outgoing } from './outgoing.js';
import {
  emptyWindow,
  highest,
  partsOf,
  readFormerWindow,
  readWindow,
  sparseOf,
  withBefore,
  withGivenUp,
  withParts,
  withSparse,
  writeWindow,
} from './sequence-window.js';
import type { FormerWindow, SequenceWindow, WindowKey } from './sequence-window.js';
import { activeSession, readEntry, withSession, writeEntry } from './sessions.js';
import type { SessionEntry } from './sessions.js';

/**
 * How far an identity is established: nothing yet but the hub's word; pinned and heard from since;
 * compared by a person or named by its own fingerprint or address.
 */
export type Trust = 'first-contact' | 'pinned' | 'verified';

/** How an identity became `verified`: by what a caller or operator wrote, an invite, a person. */
export type VerifiedBy = 'fingerprint' | 'address' | 'invite' | 'person';

const WAYS: readonly VerifiedBy[] = ['fingerprint', 'address', 'invite', 'person'];

/** Where an identity stands, since when, and how it was verified; null and 0: not known. */
export interface Standing {
  readonly trust: Trust;
  readonly pinnedMs: number;
  readonly verifiedBy: VerifiedBy | null;
}

export function writeWay(row: RowWriter, way: VerifiedBy | null): void {
  row.u8(way === null ? 0 : WAYS.indexOf(way) + 1);
}

export function readWay(row: RowReader): VerifiedBy | null {
  const way = row.u8();
  return way === 0 ? null : (WAYS[way - 1] ?? row.fail());
}

const TRUSTS: readonly Trust[] = ['first-contact', 'pinned', 'verified'];

export function writeTrust(row: RowWriter, trust: Trust): void {
  row.u8(TRUSTS.indexOf(trust));
}

export function readTrust(row: RowReader): Trust {
  return TRUSTS[row.u8()] ?? row.fail();
}

/** One peer. A readonly value; every transition gives the next one. */
export interface Peer {
  readonly identity: PublicIdentity;
  /** The name pinned to this identity. */
  readonly name: string;
  readonly trust: Trust;
  /** When this identity was pinned to its name (0: before version 6), and how it was verified. */
  readonly pinnedMs: number;
  readonly verifiedBy: VerifiedBy | null;
  /** Identities that this one has followed, oldest first (§2.13). */
  readonly formerly: readonly Uint8Array[];
  /** The identity that has followed this one: it only receives, and gets nothing any more. */
  readonly succeededBy: Uint8Array | null;
  /** Revoked by its owner: nothing is sent or taken any more, for ever (§2.13). */
  readonly isRevoked: boolean;
  /** An identity that claims this name: nothing is sent or taken until somebody decides. */
  readonly contestedBy: Uint8Array | null;
  /** Newest identity record seen. */
  readonly record: { readonly revision: number; readonly bytes: Uint8Array };
  /** createdMs of the newest signed prekey seen; 0 when none. */
  readonly newestSignedMs: number;
  readonly sessions: readonly SessionEntry[];
  /** Highest generation ever seen with this peer. */
  readonly generation: number;
  /** Its current store; null until it was heard. */
  readonly instance: Uint8Array | null;
  /** What that has shown of itself: its highest boot and its latest time, 0 while none is known. */
  readonly spoken: { readonly boot: number; readonly atMs: number };
  /** With strict trust: a new store of its that waits to be approved. */
  readonly heldInstance: Uint8Array | null;
  readonly windows: readonly SequenceWindow[];
  /** Numbers that only runs had whose windows are forgotten, of each store: see `heard-tags`. */
  readonly aside: readonly SequenceWindow[];
  readonly outgoing: Outgoing;
  /** The mark we last told it, and messages received since that want an acknowledgement. */
  readonly ackSent: number;
  readonly owed: number;
  readonly reset: { readonly atMs: number; readonly count: number };
}

/** A peer at the moment it is pinned. */
export function newPeer(record: IdentityRecord, standing: Standing, epoch: number): Peer {
  return {
    identity: record.identity,
    name: record.name,
    trust: standing.trust,
    pinnedMs: standing.pinnedMs,
    verifiedBy: standing.verifiedBy,
    formerly: [],
    succeededBy: null,
    isRevoked: false,
    contestedBy: null,
    record: { revision: record.revision, bytes: record.bytes },
    newestSignedMs: 0,
    sessions: [],
    generation: 0,
    instance: null,
    spoken: { boot: 0, atMs: 0 },
    heldInstance: null,
    windows: [],
    aside: [],
    outgoing: freshOutgoing(epoch),
    ackSent: 0,
    owed: 0,
    reset: { atMs: 0, count: 0 },
  };
}

/** A peer who rightly follows another one: known as well, and compared by nobody yet. */
export function successorOf(
  peer: Peer,
  record: IdentityRecord,
  { epoch, nowMs }: { readonly epoch: number; readonly nowMs: number },
): Peer {
  const trust = peer.trust === 'verified' ? 'pinned' : peer.trust;
  const formerly = [...peer.formerly, peer.identity.aid].slice(-AGENT_LIMITS.successionLinks);
  const standing = { trust, pinnedMs: nowMs, verifiedBy: null };
  return { ...newPeer(record, standing, epoch), formerly };
}

/** A peer that another one, which is known, has followed: it is read, and never written to. */
export function formerOf(
  peer: Peer,
  record: IdentityRecord,
  { epoch, nowMs }: { readonly epoch: number; readonly nowMs: number },
): Peer {
  const standing: Standing = { trust: 'first-contact', pinnedMs: nowMs, verifiedBy: null };
  return { ...newPeer(record, standing, epoch), succeededBy: peer.identity.aid };
}

export function fingerprintOfPeer(peer: Peer): string {
  return fingerprintOf(peer.identity.aid);
}

/** The session that sends to this peer; null if a new one is needed. */
export function activeOf(peer: Peer, epoch: number): SessionEntry | null {
  return activeSession(peer.sessions, { epoch, instance: peer.instance });
}

export function replaceSession(peer: Peer, entry: SessionEntry): Peer {
  const generation = Math.max(peer.generation, entry.generation);
  return { ...peer, generation, sessions: withSession(peer.sessions, entry) };
}

/** The window of one of the peer's instances; null if it is new, or kept no more. */
export function windowAt(peer: Peer, key: WindowKey): SequenceWindow | null {
  return peer.windows.find((window) => isAt(window, key)) ?? null;
}

function isAt(window: SequenceWindow, { since, instance }: WindowKey): boolean {
  return window.since === since && equalBytes(window.instance, instance);
}

/**
 * The peer with a window changed; those that count most and the most recently changed ones are
 * kept, with one bound on their numbers, parts, ranges and links: each message writes the outline
 * of all of them again.
 */
export function replaceWindow(peer: Peer, window: SequenceWindow): Peer {
  const others = peer.windows.filter((other) => !isAt(other, window));
  const beside = others.filter(({ since }) => since === window.since);
  const isRoom = beside.length < AGENT_LIMITS.instances;
  const counted = isRoom ? beside : ranked(peer, beside, window).slice(1 - AGENT_LIMITS.instances);
  // What came to each identity of ours is counted apart, and may be asked about for a while.
  const apart = others.filter(({ since }) => since !== window.since);
  const kept = apart.length === 0 ? counted : [...ofLatest(apart), ...counted];
  let room = AGENT_LIMITS.sequenceSparse - sparseOf(window);
  let parts = AGENT_LIMITS.sequenceParts - partsOf(window).length;
  let ranges = AGENT_LIMITS.givenUpRanges - window.givenUp.length;
  let links = AGENT_LIMITS.runLinksKept - (window.parent?.before.length ?? 0);
  const bounded = kept.toReversed().map((other) => {
    const some = withGivenUp(withParts(withSparse(other, room), parts).window, ranges);
    const next = withBefore(some, links);
    room -= sparseOf(next);
    parts -= partsOf(next).length;
    ranges -= next.givenUp.length;
    links -= next.parent?.before.length ?? 0;
    return next;
  });
  return { ...peer, windows: [...bounded.toReversed(), window] };
}

/** Its present identity, and those that it had before. */
export function aidsOf({ identity, formerly }: Peer): readonly Uint8Array[] {
  return [identity.aid, ...formerly];
}

/** Windows of the latest of other identities of ours. */
function ofLatest(windows: readonly SequenceWindow[]): readonly SequenceWindow[] {
  const all = [...new Set(windows.map(({ since }) => since))].toSorted((a, b) => b - a);
  const oldest = all[AGENT_LIMITS.identities - 2] ?? 0;
  return windows.filter(({ since }) => since >= oldest);
}

/**
 * Windows by how much depends on them: that of the present run knows what came of those before it;
 * until it has said from where it goes on, that with the highest numbers does.
 */
function ranked(
  { instance }: Peer,
  others: readonly SequenceWindow[],
  { since }: SequenceWindow,
): readonly SequenceWindow[] {
  if (instance === null) return others;
  const ofPresent = others.filter((other) => other.since === since);
  const present = ofPresent.find((other) => equalBytes(other.instance, instance));
  const last = ofPresent
    .filter((other) => other !== present)
    .toSorted((a, b) => highest(b) - highest(a))
    .find((other) => isSameStore(other.instance, instance));
  const rank = (other: SequenceWindow): number => [last, present].indexOf(other);
  return others.toSorted((a, b) => rank(a) - rank(b));
}

/** The window of the peer's current instance; null until it was heard. */
export function currentWindow(peer: Peer, since: number): SequenceWindow | null {
  if (peer.instance === null) return null;
  const key = { since, instance: peer.instance };
  return windowAt(peer, key) ?? emptyWindow(key);
}

/** Highest number of the peer's current instance received without a hole. */
export function ackOf(peer: Peer, since: number): number {
  return currentWindow(peer, since)?.low ?? 0;
}

/**
 * Version 1 knew of no successions and revocations, version 2 of no numbers given up, version 3 of
 * none that want an acknowledgement, version 4 of no runs, version 5 of no
 * date of the pin, version 6 wrote numbers in more bytes, version 7 held
 * what is now in rows of their own (`heard-tags`), version 8
 * did not know when the present run spoke, and what forgotten ones had, and took more bytes,
 * version 9 knew our last run only.
 */
const VERSION = 10;
const rows = new DecodedRows<StoredPeer>();

/** A peer, with what an earlier version held in its row beside. */
interface StoredPeer {
  readonly peer: Peer;
  readonly former: readonly FormerWindow[];
}

/** Storage form of a peer. */
export function encodePeer(peer: Peer): Uint8Array {
  const row = new RowWriter().u8(VERSION).fixed(peer.identity.signing).fixed(peer.identity.dh);
  row.text(peer.name).list(peer.formerly, (aid) => row.fixed(aid));
  row.optional(peer.succeededBy).flag(peer.isRevoked).optional(peer.contestedBy);
  writeTrust(row, peer.trust);
  writeWay(row.u64(peer.pinnedMs), peer.verifiedBy);
  row.u32(peer.record.revision).bytes(peer.record.bytes).u64(peer.newestSignedMs);
  row.list(peer.sessions, (entry) => writeEntry(row, entry)).u32(peer.generation);
  row.optional(peer.instance).optional(peer.heldInstance);
  row.list(peer.windows, (window) => writeWindow(row, window));
  writeOutgoing(row, peer.outgoing);
  row.u64(peer.ackSent).u32(peer.owed).u64(peer.reset.atMs).u32(peer.reset.count);
  for (const { boot } of peer.sessions) row.varint(boot);
  row.varint(peer.spoken.boot).varint(peer.spoken.atMs);
  row.varint(peer.aside.length);
  for (const window of peer.aside) writeWindow(row, window);
  return rows.written(row.finish(), { peer, former: [] });
}

/** Reads the storage form back; throws STORE_CORRUPT. */
export function decodePeer(bytes: Uint8Array): Peer {
  return decodeStored(bytes).peer;
}

/** The same, with what an earlier version held in it beside. */
export function decodeStored(bytes: Uint8Array): StoredPeer {
  return rows.read(bytes, readStored);
}

function readStored(bytes: Uint8Array): StoredPeer {
  const former: FormerWindow[] = [];
  const row = new RowReader(bytes, 'peer');
  const version = row.u8();
  if (version < 1 || version > VERSION) row.fail();
  const signing = row.fixed(32);
  const dh = row.fixed(32);
  const known = {
    // Checked when it was stored: these bytes are our own.
    identity: { signing, dh, aid: aidOf(signing, dh) },
    name: row.text(),
    formerly: version === 1 ? [] : row.list(() => row.fixed(32)),
    succeededBy: version === 1 ? null : row.optional(32),
    isRevoked: version === 1 ? false : row.flag(),
    contestedBy: row.optional(32),
    trust: readTrust(row),
    pinnedMs: version < 6 ? 0 : row.u64(),
    verifiedBy: version < 6 ? null : readWay(row),
    record: { revision: row.u32(), bytes: row.bytes() },
    newestSignedMs: row.u64(),
    sessions: row.list(() => readEntry(row, version)),
    generation: row.u32(),
    instance: row.optional(16),
    heldInstance: row.optional(16),
    windows: row.list(() => {
      if (version >= 8) return readWindow(row, version);
      const read = readFormerWindow(row, version);
      former.push(read);
      return read.window;
    }),
    outgoing: readOutgoing(row, version),
    ackSent: row.u64(),
    owed: row.u32(),
    reset: { atMs: row.u64(), count: row.u32() },
  };
  const boot = (): number => (version < 9 ? 0 : row.varint());
  const sessions = known.sessions.map((entry) => ({ ...entry, boot: boot() }));
  const spoken = version < 9 ? { boot: 0, atMs: 0 } : { boot: row.varint(), atMs: row.varint() };
  const length = version < 9 ? 0 : row.varint();
  const aside = Array.from({ length }, () => readWindow(row, version));
  const peer: Peer = { ...known, sessions, spoken, aside };
  row.end();
  return { peer, former };
}
