/**
 * From handshake to session (protocol.md §2.3, §2.8 step 4): the initiator's new session from a
 * bundle, and the responder's from a first message. Owns the start of the ratchet on both sides;
 * which prekeys exist and which sids were used is the caller's knowledge, handed in.
 */
import { equalBytes } from './bytes.js';
import type { PeerBundle } from './bundle.js';
import { CryptoError } from './errors.js';
import { acceptHandshake, initiateHandshake } from './handshake.js';
import { importIdentity } from './identity.js';
import type { PublicIdentity } from './identity.js';
import type { AgentKeyPair } from './key-pair.js';
import { LIMITS } from './limits.js';
import type { PrekeyPair } from './prekey-pair.js';
import type { RandomSource } from './random.js';
import { turnSending } from './ratchet.js';
import type { InitiatingSession } from './session.js';
import { openMessage, refusable } from './unseal.js';
import type { Opened, Refused } from './unseal.js';
import { encodePrekeyBlock, parseMessage } from './wire.js';
import type { PrekeyBlock } from './wire.js';

/** Input of {@link performKeyExchange}. */
export interface KeyExchangeRequest {
  readonly keyPair: AgentKeyPair;
  /** Result of `verifyBundle`. */
  readonly bundle: PeerBundle;
  /** 1 + the highest generation known for this peer. */
  readonly generation: number;
  readonly random: RandomSource;
}

/**
 * Begins a session with a peer from his bundle. Draws ephemeral scalar, encapsulation randomness
 * and first ratchet key, 32 bytes each. Throws INVALID_ARGUMENT for a session with oneself and
 * BAD_KEY when a Diffie-Hellman result is zero.
 */
export function performKeyExchange(request: KeyExchangeRequest): InitiatingSession {
  const { keyPair, bundle, generation, random } = request;
  const theirs = bundle.record.identity;
  if (equalBytes(theirs.aid, keyPair.identity.aid)) {
    throw new CryptoError('INVALID_ARGUMENT', 'a session with oneself');
  }
  const { message, secret } = initiateHandshake({ keyPair, bundle, generation, random });
  const turn = turnSending(secret.rootKey, random(32), bundle.signed.dh);
  return {
    phase: 'initiating',
    role: 'initiator',
    sid: secret.sid,
    generation,
    ours: keyPair.identity.aid,
    theirs,
    usedOneTimePrekey: bundle.oneTime !== null,
    prekeyBlock: encodePrekeyBlock(message),
    ...turn,
    previousLength: 0,
    old: [],
    skipped: [],
  };
}

/** Where the responder's private prekeys come from. */
export interface PrekeyLookup {
  signed(id: number): PrekeyPair | null;
  oneTime(id: number): PrekeyPair | null;
}

/** Input of {@link unsealInitial}. */
export interface UnsealInitialRequest {
  readonly keyPair: AgentKeyPair;
  readonly wire: Uint8Array;
  readonly prekeys: PrekeyLookup;
  /** Whether a sid was ever accepted: a first message is never taken twice. */
  readonly isKnownSid: (sid: Uint8Array) => boolean;
  readonly nowMs: number;
  readonly random: RandomSource;
}

/** An authentic first message: the caller deletes the one-time prekey with the same commit. */
export interface OpenedInitial extends Opened {
  readonly peer: PublicIdentity;
  readonly signedPrekeyId: number;
  /** 0 = none was used. */
  readonly oneTimePrekeyId: number;
}

/**
 * Opens the first message of a session that does not exist here yet. Refuses with DUPLICATE (sid
 * used), UNKNOWN_PREKEY, BAD_KEY, BAD_SID, SENDER_MISMATCH (our own message) or a code of `unseal`.
 */
export function unsealInitial(request: UnsealInitialRequest): OpenedInitial | Refused {
  return refusable(() => openInitial(request));
}

function openInitial(request: UnsealInitialRequest): OpenedInitial {
  const { keyPair, wire, nowMs, random } = request;
  const message = parseMessage(wire);
  const block = message.prekeyBlock;
  if (block === null) throw new CryptoError('UNKNOWN_SESSION');
  if (request.isKnownSid(message.sid)) throw new CryptoError('DUPLICATE');
  const { signed, oneTime } = livePrekeys(request.prekeys, block, nowMs);
  const peer = importIdentity(block.signing, block.dh);
  const ours = keyPair.identity.aid;
  if (equalBytes(peer.aid, ours)) throw new CryptoError('SENDER_MISMATCH');
  const { rootKey, sid } = acceptHandshake({ keyPair, block, signed, oneTime });
  if (!equalBytes(sid, message.sid)) throw new CryptoError('BAD_SID');
  const receiver = { rootKey, ratchet: signed.dh, receiving: null, old: [], skipped: [] };
  const opened = openMessage({ receiver, parties: { sid, ours, theirs: peer }, message, nowMs });
  const { receiving } = opened.receiver;
  const turn = turnSending(opened.receiver.rootKey, random(32), receiving.ratchetKey);
  const session = {
    phase: 'established',
    role: 'responder',
    sid,
    generation: block.generation,
    ours,
    theirs: peer,
    usedOneTimePrekey: oneTime !== null,
    ...turn,
    previousLength: 0,
    receiving,
    old: opened.receiver.old,
    skipped: opened.receiver.skipped,
  } as const;
  const { content, contentBytes, droppedKeys } = opened;
  const prekeyIds = { signedPrekeyId: signed.record.id, oneTimePrekeyId: block.oneTimePrekeyId };
  return { ok: true, session, content, contentBytes, droppedKeys, peer, ...prekeyIds };
}

function livePrekeys(prekeys: PrekeyLookup, block: PrekeyBlock, nowMs: number) {
  const signed = live(prekeys.signed(block.signedPrekeyId), nowMs);
  if (signed === null) throw new CryptoError('UNKNOWN_PREKEY');
  if (block.oneTimePrekeyId === 0) return { signed, oneTime: null };
  const oneTime = live(prekeys.oneTime(block.oneTimePrekeyId), nowMs);
  if (oneTime === null) throw new CryptoError('UNKNOWN_PREKEY');
  return { signed, oneTime };
}

function live(pair: PrekeyPair | null, nowMs: number): PrekeyPair | null {
  if (pair === null) return null;
  return nowMs > pair.record.expiresMs + LIMITS.clockToleranceMs ? null : pair;
}
