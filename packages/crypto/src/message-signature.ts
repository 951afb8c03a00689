/**
 * The signature inside every message (protocol.md §2.7): an attacker with a session's state but
 * without the identity key cannot write as its owner. Owns what is signed.
 *
 *   sig = Ed25519(IKs, L("message-signature") || H(AD) || H(content))
 */
import { sha256 } from '#hash';
import { concatBytes, label } from './bytes.js';
import type { PublicIdentity } from './identity.js';
import type { AgentKeyPair } from './key-pair.js';
import { verifySignature } from './signature.js';

export const MESSAGE_SIGNATURE_BYTES = 64;

const LABEL = label('message-signature');

function signedBytes(associatedData: Uint8Array, content: Uint8Array): Uint8Array {
  return concatBytes(LABEL, sha256(associatedData), sha256(content));
}

/** 64 bytes by the sender's identity key, over header, both aids and content. */
export function signMessage(
  keyPair: AgentKeyPair,
  associatedData: Uint8Array,
  content: Uint8Array,
): Uint8Array {
  return keyPair.sign(signedBytes(associatedData, content));
}

export function isMessageSignedBy(
  sender: PublicIdentity,
  associatedData: Uint8Array,
  signed: { readonly content: Uint8Array; readonly signature: Uint8Array },
): boolean {
  const bytes = signedBytes(associatedData, signed.content);
  return verifySignature(sender.signing, bytes, signed.signature);
}
