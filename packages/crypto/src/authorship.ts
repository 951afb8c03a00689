/**
 * Who wrote a content to whom, shown to somebody who took no part: the signature inside a message
 * covers both aids (protocol.md §2.7), so that its recipient can prove its origin and nobody can
 * make it up. Owns this check, which needs public keys only.
 */
import { decodeContent } from './content.js';
import type { Content } from './content.js';
import { equalBytes } from './bytes.js';
import { CryptoError } from './errors.js';
import { importIdentity } from './identity.js';
import type { PublicIdentity } from './identity.js';
import { isMessageSignedBy } from './message-signature.js';
import { partiesOf } from './wire.js';

/** What of an opened message proves its origin, together with its content. */
export interface MessageProof {
  /** AD: sender, recipient and header, as authenticated with the message. */
  readonly associatedData: Uint8Array;
  /** 64 bytes by the sender's identity key. */
  readonly signature: Uint8Array;
}

/** A content with the proof of its origin, from anybody. */
export interface SignedContent extends MessageProof {
  /** Both public keys of the sender, which its aid is the hash of. */
  readonly signing: Uint8Array;
  readonly dh: Uint8Array;
  /** Exactly as signed. */
  readonly content: Uint8Array;
}

/** What is proved. */
export interface Authorship {
  readonly sender: PublicIdentity;
  /** aid of the identity that it was written to. */
  readonly recipient: Uint8Array;
  readonly content: Content;
}

/**
 * Checks who wrote a content to whom. Throws BAD_KEY, MALFORMED, SENDER_MISMATCH where the keys are
 * not those of the sender, BAD_SIGNATURE or BAD_CONTENT. That a key was stolen or revoked since, no
 * signature tells.
 */
export function verifyAuthorship(signed: SignedContent): Authorship {
  const { signing, dh, associatedData, signature, content } = signed;
  const identity = importIdentity(signing, dh);
  const { sender, recipient } = partiesOf(associatedData);
  if (!equalBytes(sender, identity.aid)) throw new CryptoError('SENDER_MISMATCH');
  if (!isMessageSignedBy(identity, associatedData, { content, signature })) {
    throw new CryptoError('BAD_SIGNATURE');
  }
  return { sender: identity, recipient, content: decodeContent(content) };
}
