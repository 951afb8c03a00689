/**
 * From handshake to session (protocol.md §2.3, §2.8 step 4): the initiator's new session from a
 * bundle, and the responder's from a first message. Owns the start of the ratchet on both sides;
 * which prekeys exist and which sids were used is the caller's knowledge, handed in.
 */
import { assertInteger, assertTime, equalBytes } from './bytes.js';
import type { PeerBundle } from './bundle.js';
import { CryptoError } from './errors.js';
import type { CryptoErrorCode } from './errors.js';
import { acceptHandshake, initiateHandshake } from './handshake.js';
import { importIdentity } from './identity.js';
import type { PublicIdentity } from './identity.js';
import type { AgentKeyPair } from './key-pair.js';
import { LIMITS } from './limits.js';
import type { PrekeyRecord } from './prekey.js';
import type { PrekeyPair } from './prekey-pair.js';
import type { RandomSource } from './random.js';
import { turnSending } from './ratchet.js';
import type { InitiatingSession } from './session.js';
import { openMessage, refusable } from './unseal.js';
import type { Opened, Refused } from './unseal.js';
import { encodePrekeyBlock, parseMessage } from './wire.js';
import type { ParsedMessage, PrekeyBlock } from './wire.js';

/** Input of {@link performKeyExchange}. */
export interface KeyExchangeRequest {
  readonly keyPair: AgentKeyPair;
  /** Result of `verifyBundle`. */
  readonly bundle: PeerBundle;
  /** 1 + the highest generation known for this peer; at most 2^32 - 1. */
  readonly generation: number;
  readonly random: RandomSource;
}

/**
 * Begins a session with a peer from its bundle. Draws ephemeral scalar, encapsulation randomness
 * and first ratchet key, 32 bytes each. Throws INVALID_ARGUMENT for a session with oneself and
 * BAD_KEY when a Diffie-Hellman result is zero.
 */
export function performKeyExchange(request: KeyExchangeRequest): InitiatingSession {
  const { keyPair, bundle, generation, random } = request;
  const theirs = bundle.record.identity;
  assertInteger(generation, 1, 0xffff_ffff, 'generation');
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
  assertTime(request.nowMs);
  const parsed = refusable(() => parseInitial(request.wire));
  if (!parsed.ok) return parsed;
  // The caller's store is asked outside of `refusable`: its errors are no refusal of the message.
  if (request.isKnownSid(parsed.message.sid)) return refusal('DUPLICATE');
  const prekeys = livePrekeys(request.prekeys, parsed.block, request.nowMs);
  if (prekeys === null) return refusal('UNKNOWN_PREKEY');
  return refusable(() => openInitial(request, { ...parsed, ...prekeys }));
}

function refusal(code: CryptoErrorCode): Refused {
  return { ok: false, error: new CryptoError(code) };
}

function parseInitial(wire: Uint8Array) {
  const message = parseMessage(wire);
  const block = message.prekeyBlock;
  if (block === null) throw new CryptoError('UNKNOWN_SESSION');
  return { ok: true, message, block } as const;
}

interface LivePrekeys {
  readonly signed: PrekeyPair;
  readonly oneTime: PrekeyPair | null;
}

function openInitial(
  { keyPair, nowMs, random }: UnsealInitialRequest,
  found: { readonly message: ParsedMessage; readonly block: PrekeyBlock } & LivePrekeys,
): OpenedInitial {
  const { message, block, signed, oneTime } = found;
  const peer = importIdentity(block.signing, block.dh);
  const ours = keyPair.identity.aid;
  if (equalBytes(peer.aid, ours)) throw new CryptoError('SENDER_MISMATCH');
  const { sid } = message;
  const { rootKey } = acceptHandshake({ keyPair, block, sid, signed, oneTime });
  const receiver = { rootKey, ratchet: signed.dh, receiving: null, old: [], skipped: [] };
  const opened = openMessage({
    receiver,
    parties: { sid, ours, theirs: peer },
    message,
    // How often a stranger may begin a session is the caller's budget.
    bound: { nowMs, maxSteps: Infinity },
  });
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
  const { content, contentBytes, proof, droppedKeys, skippedOver } = opened;
  const prekeyIds = { signedPrekeyId: signed.record.id, oneTimePrekeyId: block.oneTimePrekeyId };
  const told = { content, contentBytes, proof, droppedKeys, skippedOver };
  return { ok: true, session, ...told, peer, ...prekeyIds };
}

function livePrekeys(
  prekeys: PrekeyLookup,
  { signedPrekeyId, oneTimePrekeyId }: PrekeyBlock,
  nowMs: number,
): LivePrekeys | null {
  const signed = prekeys.signed(signedPrekeyId);
  if (!isLive(signed, { kind: 'signed', id: signedPrekeyId }, nowMs)) return null;
  if (oneTimePrekeyId === 0) return { signed, oneTime: null };
  const oneTime = prekeys.oneTime(oneTimePrekeyId);
  if (!isLive(oneTime, { kind: 'one-time', id: oneTimePrekeyId }, nowMs)) return null;
  return { signed, oneTime };
}

/** Found, not expired, and what was asked for: both kinds may share a store and its counter. */
function isLive(
  pair: PrekeyPair | null,
  wanted: Pick<PrekeyRecord, 'kind' | 'id'>,
  nowMs: number,
): pair is PrekeyPair {
  if (pair === null) return false;
  const { kind, id, expiresMs } = pair.record;
  if (kind !== wanted.kind || id !== wanted.id) return false;
  return nowMs <= expiresMs + LIMITS.clockToleranceMs;
}
