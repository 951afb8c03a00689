/**
 * Who may become a peer (protocol.md §2.12): how peers are named, what was vouched for, and the
 * judgement on a first contact. Owns the rules as pure functions; pins are rows of the store, and
 * what a hub says is never more than a claim here.
 */
import {
  CryptoError,
  equalBytes,
  fingerprintOf,
  fingerprintsEqual,
  isAgentName,
  isFingerprint,
} from '@agentmesh/crypto';
import type { IdentityRecord } from '@agentmesh/crypto';
import { parsePeer } from '@agentmesh/protocol';
import { AgentError, IdentityChangedError } from '../ground/errors.js';
import { aidsOf } from './peer.js';
import type { Peer, Standing, VerifiedBy } from './peer.js';

/** A peer as a caller names it: `bob`, `bob#ec18:…` or `am2…`. */
export interface PeerReference {
  /** How the hub is asked. */
  readonly text: string;
  /** Null when named by the address alone. */
  readonly name: string | null;
  readonly fingerprint: string | null;
  readonly aid: Uint8Array | null;
}

/** Reads the name of a peer; throws BAD_PEER. */
export function parseReference(text: unknown): PeerReference {
  if (typeof text !== 'string') throw new AgentError('BAD_PEER');
  const [name = '', fingerprint, ...rest] = text.split('#');
  const parsed = parsePeer(name);
  if (parsed === null || rest.length > 0) throw new AgentError('BAD_PEER');
  if (fingerprint !== undefined && (!isFingerprint(fingerprint) || parsed.kind === 'address')) {
    throw new AgentError('BAD_PEER');
  }
  if (parsed.kind === 'address') {
    return { text: name, name: null, fingerprint: null, aid: parsed.aid };
  }
  return { text: name, name, fingerprint: fingerprint ?? null, aid: null };
}

/** Whether an identity is the one that a reference proves; a bare name proves nothing. */
export function isProvenBy(reference: PeerReference, aid: Uint8Array): boolean {
  if (reference.aid !== null) return equalBytes(reference.aid, aid);
  const { fingerprint } = reference;
  return fingerprint !== null && fingerprintsEqual(fingerprint, fingerprintOf(aid));
}

/**
 * Throws BAD_FINGERPRINT when a reference names another identity than the peer's, or one that the
 * peer's has rightly followed.
 */
export function assertReferenceFits(reference: PeerReference, peer: Peer): void {
  const given = reference.aid !== null || reference.fingerprint !== null;
  if (given && !aidsOf(peer).some((aid) => isProvenBy(reference, aid))) {
    throw new CryptoError('BAD_FINGERPRINT');
  }
}

/** From whom unknown senders are taken. */
export type AcceptFrom = 'anyone' | 'ask' | 'known' | readonly PeerReference[];

/** What the operator of an agent has decided. */
export interface TrustPolicy {
  readonly mode: 'tofu' | 'strict';
  /** Identities known beforehand, each with its fingerprint or address. */
  readonly allowed: readonly PeerReference[];
  readonly acceptFrom: AcceptFrom;
}

/** How the operator's list, or the caller, vouches for this name and identity; null if neither. */
function vouchedBy(
  policy: TrustPolicy,
  contact: { readonly name: string; readonly aid: Uint8Array },
  reference?: PeerReference,
): VerifiedBy | null {
  const fits = (entry: PeerReference) =>
    (entry.name === null || entry.name === contact.name) && isProvenBy(entry, contact.aid);
  const given = reference === undefined ? policy.allowed : [...policy.allowed, reference];
  const entry = given.find(fits);
  return entry === undefined ? null : wayOf(entry);
}

/** What a reference proves an identity by. */
export function wayOf(reference: PeerReference): VerifiedBy {
  return reference.aid === null ? 'fingerprint' : 'address';
}

/** A first contact, with what is pinned already. */
export interface Contact {
  readonly record: IdentityRecord;
  /** The peer pinned to the record's name, if any. */
  readonly pinned: Peer | null;
  /** How the caller named it; absent for a sender that wrote first. */
  readonly reference?: PeerReference | undefined;
  readonly nowMs: number;
}

/**
 * Judges an identity that is no peer yet: where it stands from now on. Throws IDENTITY_CHANGED (its
 * name is pinned to another identity), UNTRUSTED_PEER or NOT_ACCEPTED.
 */
export function judgeContact(policy: TrustPolicy, contact: Contact): Standing {
  const { record, pinned, reference, nowMs } = contact;
  const { aid } = record.identity;
  if (pinned !== null) throw identityChanged(pinned, aid);
  const verifiedBy = vouchedBy(policy, { name: record.name, aid }, reference);
  const vouched = verifiedBy !== null;
  if (policy.mode === 'strict' && !vouched) throw new AgentError('UNTRUSTED_PEER');
  if (reference === undefined && !vouched && !isAccepted(policy.acceptFrom, record.name, aid)) {
    throw new AgentError('NOT_ACCEPTED');
  }
  return { trust: vouched ? 'verified' : 'first-contact', pinnedMs: nowMs, verifiedBy };
}

/** Whether somebody has to decide before a new peer reaches the handlers. */
export function hasToBeAsked(
  { acceptFrom }: TrustPolicy,
  { verifiedBy }: Standing,
  reference?: PeerReference,
): boolean {
  return acceptFrom === 'ask' && reference === undefined && verifiedBy === null;
}

function isAccepted(acceptFrom: AcceptFrom, name: string, aid: Uint8Array): boolean {
  if (acceptFrom === 'anyone' || acceptFrom === 'ask') return true;
  if (acceptFrom === 'known') return false;
  return acceptFrom.some((entry) =>
    entry.aid === null && entry.fingerprint === null
      ? entry.name === name
      : (entry.name === null || entry.name === name) && isProvenBy(entry, aid),
  );
}

/**
 * Whether an unknown identity can be refused before anything of its message is opened: its name is
 * not known yet, so only what holds for every name counts.
 */
export function isStrangerRefused(policy: TrustPolicy, aid: Uint8Array): boolean {
  if (policy.allowed.some((entry) => isProvenBy(entry, aid))) return false;
  return policy.mode === 'strict' || policy.acceptFrom === 'known';
}

/**
 * The error for a name that leads to another identity than the pinned one. An identity that the
 * pinned one is known to have followed is no news: the hub has lost time, and is told again.
 */
export function identityChanged(pinned: Peer, shown: Uint8Array): AgentError {
  if (pinned.formerly.some((each) => equalBytes(each, shown))) {
    return new AgentError('NO_PREKEYS', 'the hub shows an identity that this peer has followed');
  }
  return new IdentityChangedError(pinned.name, pinned.identity.aid, shown);
}

/** Throws REVOKED, or IDENTITY_CHANGED while somebody has to decide about this peer. */
export function assertUsable(peer: Peer): void {
  if (peer.isRevoked) throw new CryptoError('REVOKED');
  if (peer.contestedBy !== null) throw identityChanged(peer, peer.contestedBy);
}

/** Reads an entry of an allow list: it must prove an identity. Throws BAD_OPTION. */
export function parseAllowed(text: unknown): PeerReference {
  const reference = parseOption(text, 'allowList');
  if (reference.aid === null && reference.fingerprint === null) {
    throw new AgentError('BAD_OPTION', 'allowList: write bob#<fingerprint> or am2…, not a name');
  }
  return reference;
}

/** Reads the text of an allow-list file; throws BAD_OPTION with the number of the line. */
export function parseAllowList(text: string): PeerReference[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const entry = line.trim();
    if (entry === '' || entry.startsWith('#')) return [];
    try {
      return [parseAllowed(entry)];
    } catch (error) {
      const detail = `allowListPath: line ${index + 1}: write bob#<fingerprint> or am2…`;
      throw new AgentError('BAD_OPTION', detail, error);
    }
  });
}

/** Reads an entry of a list of peers; throws BAD_OPTION. */
export function parseOption(text: unknown, option: string): PeerReference {
  try {
    return parseReference(text);
  } catch (error) {
    throw new AgentError('BAD_OPTION', `${option}: not a peer`, error);
  }
}

/** Whether a text can be a peer's address or an agent's own; for matching oneself. */
export function namesSelf(reference: PeerReference, name: string, aid: Uint8Array): boolean {
  if (reference.aid !== null) return equalBytes(reference.aid, aid);
  return isAgentName(reference.name) && reference.name === name;
}
