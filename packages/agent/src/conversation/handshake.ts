/**
 * Beginning a session with a peer: from a bundle, as a hub serves it or a person hands it over, to
 * the peer's next state (protocol.md §2.1–2.3). Owns the use of `verifyBundle` with all that is
 * known: here a hub that swaps a key, or serves an older one, is refused.
 */
import {
  addressOf,
  CryptoError,
  equalBytes,
  parseIdentityRecord,
  performKeyExchange,
  verifyBundle,
  verifyBundleRecord,
} from '@agentmesh/crypto';
import type {
  Bundle,
  BundleExpectation,
  CryptoSession,
  IdentityRecord,
  PeerBundle,
} from '@agentmesh/crypto';
import type { Author } from '../self/author.js';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { moveTags } from './heard-tags.js';
import { decodeStored, replaceSession } from './peer.js';
import type { Peer } from './peer.js';
import { ROW } from '../store/row-keys.js';
import { boundSessions, encodeSessionRow, entryOf } from './sessions.js';
import { forgetSession } from './skipped-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { identityChanged } from './trust.js';
import type { PeerReference } from './trust.js';

/** The peer whose name or aid is asked for, with what must hold of the answer. */
export interface BundleQuestion {
  /** Null when the peer was named by its address, or the bundle was handed over. */
  readonly name: string | null;
  readonly aid: Uint8Array | null;
  readonly fingerprint: string | null;
  /** Null for a bundle that was handed over. */
  readonly hubId: Uint8Array | null;
}

/** The question that asks a hub for a peer as the caller named it. */
export function questionOf(reference: PeerReference, hubId: Uint8Array): BundleQuestion {
  const { name, aid, fingerprint } = reference;
  return { name, aid, fingerprint, hubId };
}

/** How a known peer is asked for: by its pinned name, so that a change of its owner is seen. */
export function questionFor(peer: Peer, hubId: Uint8Array | null): BundleQuestion {
  return { name: peer.name, aid: null, fingerprint: null, hubId };
}

/**
 * The peer of an identity, or null. What an earlier version kept in its row becomes rows of their
 * own, with the transaction.
 */
export async function loadPeer(tx: StoreTransaction, aid: Uint8Array): Promise<Peer | null> {
  const stored = await tx.read(ROW.peer(aid), decodeStored);
  if (stored === null) return null;
  const { peer, former } = stored;
  moveTags(tx, aid, former);
  return peer;
}

/** The peer row of an identity, or of the one that has followed it, or null. */
export async function loadPresentPeer(tx: StoreTransaction, aid: Uint8Array): Promise<Peer | null> {
  let peer = await loadPeer(tx, aid);
  for (let links = 0; links < AGENT_LIMITS.successionLinks; links++) {
    const successor = peer?.succeededBy ?? null;
    if (successor === null) break;
    peer = await loadPeer(tx, successor);
  }
  return peer;
}

/** The peer pinned to a name, or null. */
export async function pinnedPeer(tx: StoreTransaction, name: string): Promise<Peer | null> {
  const aid = await tx.get(ROW.name(name));
  return aid === null ? null : loadPeer(tx, aid);
}

/** The aid that a bundle claims, before any check but its record's own. */
export function claimedAid(bundle: Bundle): Uint8Array {
  return parseIdentityRecord(bundle.record).identity.aid;
}

/** Checks a bundle whole against the question and all that is known of its identity. */
export function checkBundle(
  bundle: Bundle,
  question: BundleQuestion,
  known: Peer | null,
  nowMs: number,
): PeerBundle {
  // A new identity has the name a moment before its prekeys are there.
  const { signed, revocation } = bundle;
  if (signed === undefined && revocation === undefined) throw new AgentError('NO_PREKEYS');
  return verifyBundle(bundle, expectationOf(question, known, nowMs));
}

/** Checks who a bundle is of, against the question, and leaves the prekeys aside. */
export function checkRecord(
  bundle: Bundle,
  question: BundleQuestion,
  nowMs: number,
): IdentityRecord {
  return verifyBundleRecord(bundle, expectationOf(question, null, nowMs));
}

function expectationOf(
  question: BundleQuestion,
  known: Peer | null,
  nowMs: number,
): BundleExpectation {
  return {
    name: question.name,
    hubId: question.hubId,
    nowMs,
    aid: question.aid ?? undefined,
    fingerprint: question.fingerprint ?? undefined,
    known: () =>
      known === null
        ? undefined
        : {
            revision: known.record.revision,
            recordBytes: known.record.bytes,
            newestSignedMs: known.newestSignedMs,
          },
  };
}

/**
 * Throws IDENTITY_CHANGED when a pinned peer's name was answered with another identity, ROLLED_BACK
 * when it is one that it has followed itself.
 */
export function assertSameIdentity(peer: Peer, bundle: Bundle): void {
  const shown = claimedAid(bundle);
  if (peer.formerly.some((aid) => equalBytes(aid, shown))) {
    throw new CryptoError('ROLLED_BACK', 'identity');
  }
  if (!equalBytes(shown, peer.identity.aid)) throw identityChanged(peer, shown);
}

/**
 * Generation of our next session. A hostile peer may have named the last one there is: then the sid
 * alone decides between sessions (§2.9), and it can still be written to.
 */
export function nextGeneration(highest: number): number {
  return Math.min(highest + 1, 0xffff_ffff);
}

/** The peer with a new session of ours, written into the transaction. */
export async function beginSession(
  tx: StoreTransaction,
  author: Author,
  { peer, bundle }: { readonly peer: Peer; readonly bundle: PeerBundle },
): Promise<{ readonly peer: Peer; readonly session: CryptoSession }> {
  const { keyPair, meta, nowMs, random } = author;
  const generation = nextGeneration(peer.generation);
  const session = performKeyExchange({ keyPair, bundle, generation, random });
  const begun = replaceSession(withRecords(peer, bundle), entryOf(session, nowMs, meta.epoch));
  const standing = { epoch: meta.epoch, instance: begun.instance };
  const { kept, dropped } = boundSessions(begun.sessions, standing, nowMs);
  for (const { sid } of dropped) await forgetSession(tx, sid);
  tx.put(ROW.session(session.sid), encodeSessionRow(session));
  return { peer: { ...begun, sessions: kept }, session };
}

/** What a checked bundle adds to what is known of a peer: its records are the newest. */
export function withRecords(peer: Peer, { record, signed }: PeerBundle): Peer {
  const newestSignedMs = Math.max(peer.newestSignedMs, signed.createdMs);
  return { ...peer, record: { revision: record.revision, bytes: record.bytes }, newestSignedMs };
}

/** Throws NO_ONE_TIME_PREKEY where the operator wants no session without one. */
export function assertOneTimePrekey(bundle: PeerBundle, required: boolean): void {
  if (required && bundle.oneTime === null) throw new AgentError('NO_ONE_TIME_PREKEY');
}

/** How a hub is asked for a peer. */
export function askedAs(question: BundleQuestion): string {
  if (question.name !== null) return question.name;
  return question.aid === null ? '' : addressOf(question.aid);
}
