/**
 * Sealing: one content becomes one message, and the session its successor (protocol.md §2.4-2.7).
 * Owns the order of steps. The caller commits the new session and the finished bytes together
 * before anything is sent (§2.11 rule P1).
 */
import { assertLength, concatBytes, equalBytes } from './bytes.js';
import { stepChain } from './chain-key.js';
import { CryptoError } from './errors.js';
import type { AgentKeyPair } from './key-pair.js';
import { LIMITS } from './limits.js';
import { encryptMessage } from './message-key.js';
import { MESSAGE_SIGNATURE_BYTES, signMessage } from './message-signature.js';
import { pad, paddedLength } from './padding.js';
import type { RandomSource } from './random.js';
import type { CryptoSession } from './session.js';
import { associatedData, encodeHeader, headerTag } from './wire.js';

/** Input of {@link seal}. */
export interface SealRequest<Session extends CryptoSession = CryptoSession> {
  readonly session: Session;
  /** Our identity, whose signature goes inside. */
  readonly keyPair: AgentKeyPair;
  /** Encoded content (`encodeContent`); a retry passes the same bytes again. */
  readonly content: Uint8Array;
  readonly random: RandomSource;
}

/** The finished message and the session after it. */
export interface Sealed<Session extends CryptoSession = CryptoSession> {
  readonly session: Session;
  readonly wire: Uint8Array;
}

const SALT_BYTES = 16;
const TAGS_BYTES = 32;

/**
 * Seals one content under the session's next message key; draws a salt of 16 bytes.
 * Throws TOO_LARGE, SESSION_EXHAUSTED when a counter has reached 2^31, and INVALID_ARGUMENT when
 * the key pair is not the session's.
 */
export function seal<Session extends CryptoSession>(
  request: SealRequest<Session>,
): Sealed<Session> {
  const { session, keyPair, content, random } = request;
  assertSealable(request);
  const salt = random(SALT_BYTES);
  assertLength(salt, SALT_BYTES, 'salt');
  const header = encodeHeader({
    sid: session.sid,
    ratchetKey: session.ratchet.publicKey,
    previousLength: session.previousLength,
    number: session.sending.next,
    salt,
    prekeyBlock: session.phase === 'initiating' ? session.prekeyBlock : null,
  });
  assertFits(header.length, content.length);
  const ad = associatedData(session.ours, session.theirs.aid, header);
  const tag = headerTag(session.sending.headerKey, ad);
  const { chain, messageKey } = stepChain(session.sending);
  const plaintext = pad(content, signMessage(keyPair, ad, content));
  const ciphertext = encryptMessage(
    messageKey,
    { sid: session.sid, salt, associatedData: concatBytes(ad, tag) },
    plaintext,
  );
  return {
    session: { ...session, sending: chain },
    wire: concatBytes(header, tag, ciphertext),
  };
}

function assertSealable({ session, keyPair, content }: SealRequest): void {
  if (!(content instanceof Uint8Array)) {
    throw new CryptoError('INVALID_ARGUMENT', 'content must be bytes');
  }
  if (!equalBytes(keyPair.identity.aid, session.ours)) {
    throw new CryptoError('INVALID_ARGUMENT', 'this key pair does not own the session');
  }
  const { maxMessageNumber } = LIMITS;
  if (session.sending.next >= maxMessageNumber || session.previousLength >= maxMessageNumber) {
    throw new CryptoError('SESSION_EXHAUSTED');
  }
}

function assertFits(headerBytes: number, contentBytes: number): void {
  const padded = paddedLength(contentBytes + MESSAGE_SIGNATURE_BYTES);
  const bytes = headerBytes + padded + TAGS_BYTES;
  if (bytes <= LIMITS.envelopeBytes) return;
  throw new CryptoError('TOO_LARGE', `${bytes} bytes, the limit is ${LIMITS.envelopeBytes}`);
}
