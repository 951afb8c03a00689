/**
 * Opening: one message gives its content and the session's successor, or a refusal and nothing
 * (protocol.md §2.8 steps 5-8). Owns the order of checks: header tag, message key, decryption,
 * padding, signature, content. Works on values only, so a refusal cannot leave a trace.
 */
import type { MessageProof } from './authorship.js';
import { assertTime, concatBytes, equalBytes } from './bytes.js';
import { decodeContent } from './content.js';
import type { Content } from './content.js';
import { CryptoError } from './errors.js';
import type { CryptoErrorCode } from './errors.js';
import { aidOf } from './identity.js';
import type { PublicIdentity } from './identity.js';
import { decryptMessage } from './message-key.js';
import { isMessageSignedBy, MESSAGE_SIGNATURE_BYTES } from './message-signature.js';
import { unpad } from './padding.js';
import type { RandomSource } from './random.js';
import { chooseChain, takeMessageKey, turnSending } from './ratchet.js';
import type { JumpBound, Receiver } from './ratchet.js';
import { boundSkippedKeys } from './session.js';
import type { CryptoSession, EstablishedSession } from './session.js';
import { associatedData, isHeaderAuthentic, parseMessage } from './wire.js';
import type { ParsedMessage } from './wire.js';
import type { ReceiveChain } from './chain-key.js';

/** Input of {@link unseal}. */
export interface UnsealRequest {
  readonly session: CryptoSession;
  readonly wire: Uint8Array;
  /** Milliseconds since the epoch; dates the keys of skipped messages. */
  readonly nowMs: number;
  /** Draws the next ratchet key (32 bytes) when the peer has turned its own. */
  readonly random: RandomSource;
  /**
   * Steps of the chain over missing messages that this one may cost (default: no bound but
   * `LIMITS.maxSkip`). A message that asks for more is refused with SKIP_BUDGET: it can be opened
   * later.
   */
  readonly maxSteps?: number;
  /** Keys of a jump that are kept, the newest ones; by default `skippedKeysPerJump`. */
  readonly keptKeys?: number;
}

/** An authentic message. The session must be stored before anything is acknowledged. */
export interface Opened {
  readonly ok: true;
  readonly session: EstablishedSession;
  readonly content: Content;
  /** The content exactly as signed. */
  readonly contentBytes: Uint8Array;
  /** What shows others that its sender wrote it to us. */
  readonly proof: MessageProof;
  /** Skipped keys that fell to the cap, their lifetime or with their chain: messages lost. */
  readonly droppedKeys: number;
  /** Steps of the chain over messages that are missing: what a budget for the peer is charged. */
  readonly skippedOver: number;
}

/** A refusal: nothing has changed. */
export interface Refused {
  readonly ok: false;
  readonly error: CryptoError;
}

/** Opens a message of a known session. Refuses with a typed error; throws only on misuse. */
export function unseal(request: UnsealRequest): Opened | Refused {
  const { session, wire, nowMs, random, maxSteps = Infinity, keptKeys } = request;
  assertTime(nowMs);
  return refusable(() => {
    const message = parseMessage(wire);
    assertOfSession(session, message);
    const parties = { sid: session.sid, ours: session.ours, theirs: session.theirs };
    const opened = openMessage({
      receiver: receiverOf(session),
      parties,
      message,
      bound: { nowMs, maxSteps, keptKeys },
    });
    const { receiver, content, contentBytes, proof, droppedKeys, skippedOver } = opened;
    return {
      ok: true,
      session: advance(session, receiver, random),
      content,
      contentBytes,
      proof,
      droppedKeys,
      skippedOver,
    };
  });
}

/** Codes that no message can cause: a caller who took them for refusals would lose the message. */
const MISUSE: ReadonlySet<CryptoErrorCode> = new Set(['NOT_READY', 'INVALID_ARGUMENT']);

/** Runs an opening; a typed refusal becomes a value, anything else stays an exception. */
export function refusable<Result>(open: () => Result): Result | Refused {
  try {
    return open();
  } catch (error) {
    if (error instanceof CryptoError && !MISUSE.has(error.code)) return { ok: false, error };
    throw error;
  }
}

function assertOfSession(session: CryptoSession, message: ParsedMessage): void {
  if (!equalBytes(session.sid, message.sid)) throw new CryptoError('UNKNOWN_SESSION');
  const block = message.prekeyBlock;
  if (block !== null && !equalBytes(aidOf(block.signing, block.dh), session.theirs.aid)) {
    throw new CryptoError('SENDER_MISMATCH');
  }
}

function receiverOf(session: CryptoSession): Receiver {
  const { rootKey, ratchet, old, skipped } = session;
  const receiving = session.phase === 'established' ? session.receiving : null;
  return { rootKey, ratchet, receiving, old, skipped };
}

/** What {@link openMessage} opens, and with what. */
export interface OpenRequest {
  readonly receiver: Receiver;
  readonly parties: {
    readonly sid: Uint8Array;
    readonly ours: Uint8Array;
    readonly theirs: PublicIdentity;
  };
  readonly message: ParsedMessage;
  readonly bound: JumpBound;
}

/** Result of {@link openMessage}: `receiver` always has a chain now. */
export interface OpenedMessage {
  readonly receiver: Receiver & { readonly receiving: ReceiveChain };
  readonly content: Content;
  readonly contentBytes: Uint8Array;
  readonly proof: MessageProof;
  readonly droppedKeys: number;
  readonly skippedOver: number;
}

/** Steps 5 to 8 of §2.8; throws the refusal. */
export function openMessage(request: OpenRequest): OpenedMessage {
  const { receiver, parties, message, bound } = request;
  const { nowMs } = bound;
  const ad = associatedData(parties.theirs.aid, parties.ours, message.header);
  const choice = chooseChain(receiver, message);
  if (!isHeaderAuthentic(choice.headerKey, ad, message.tag)) throw new CryptoError('BAD_HEADER');
  // First of all the expired keys go, so that none of them opens anything.
  const alive = boundSkippedKeys(receiver.skipped, nowMs);
  const current = { ...receiver, skipped: alive.skipped };
  const taken = takeMessageKey(current, choice, message, bound);
  const plaintext = decryptMessage(
    taken.messageKey,
    { sid: parties.sid, salt: message.salt, associatedData: concatBytes(ad, message.tag) },
    message.ciphertext,
  );
  if (plaintext === null) throw new CryptoError('BAD_CIPHERTEXT');
  const signed = verifiedContent(unpad(plaintext), ad, parties.theirs);
  const { content: contentBytes, signature } = signed;
  const content = decodeContent(contentBytes);
  const { receiving } = taken.receiver;
  if (receiving === null) throw new CryptoError('BAD_HEADER');
  const { skipped, dropped } = boundSkippedKeys(taken.receiver.skipped, nowMs);
  return {
    receiver: { ...taken.receiver, receiving, skipped },
    content,
    contentBytes,
    proof: { associatedData: ad, signature },
    droppedKeys: alive.dropped + taken.dropped + dropped,
    skippedOver: taken.skippedOver,
  };
}

function verifiedContent(
  inner: Uint8Array,
  ad: Uint8Array,
  sender: PublicIdentity,
): { readonly content: Uint8Array; readonly signature: Uint8Array } {
  const split = inner.length - MESSAGE_SIGNATURE_BYTES;
  if (split < 0) throw new CryptoError('BAD_CONTENT');
  const content = inner.subarray(0, split);
  const signature = inner.subarray(split);
  if (!isMessageSignedBy(sender, ad, { content, signature })) {
    throw new CryptoError('BAD_SIGNATURE');
  }
  return { content, signature };
}

/** The session after an authentic message: a new ratchet key of the peer turns ours too. */
function advance(
  session: CryptoSession,
  receiver: OpenedMessage['receiver'],
  random: RandomSource,
): EstablishedSession {
  const { receiving, rootKey, old, skipped } = receiver;
  const base = { ...identityPart(session), phase: 'established', receiving, old, skipped } as const;
  const turned =
    session.phase === 'initiating' ||
    !equalBytes(session.receiving.ratchetKey, receiving.ratchetKey);
  if (!turned) {
    const { ratchet, previousLength, sending } = session;
    return { ...base, rootKey, ratchet, previousLength, sending };
  }
  const turn = turnSending(rootKey, random(32), receiving.ratchetKey);
  return { ...base, ...turn, previousLength: session.sending.next };
}

/** The part of a session that never changes. */
function identityPart(session: CryptoSession) {
  const { sid, generation, role, ours, theirs, usedOneTimePrekey } = session;
  return { sid, generation, role, ours, theirs, usedOneTimePrekey };
}
