/**
 * What proves that an agent has an invite (protocol.md §2.20): a MAC over both identities under the
 * secret of the invite. Owns the two derivations; who spends what is the agent's.
 *
 *   id  = first 8 bytes of H( L("invite-id") | secret )
 *   mac = HMAC( secret, L("invite") | inviter's aid | joiner's aid )
 */
import { hmacSha256 } from '#symmetric';
import { sha256 } from '#hash';
import { assertLength, concatBytes, label } from './bytes.js';

/** Names an invite without telling its secret (16 bytes): 8 bytes. */
export function inviteId(secret: Uint8Array): Uint8Array {
  assertLength(secret, 16, 'invite secret');
  return sha256(concatBytes(label('invite-id'), secret)).slice(0, 8);
}

/** The proof of a joiner, 32 bytes: worthless to every other pair of identities. */
export function inviteMac(
  secret: Uint8Array,
  pair: { readonly inviter: Uint8Array; readonly joiner: Uint8Array },
): Uint8Array {
  assertLength(secret, 16, 'invite secret');
  assertLength(pair.inviter, 32, 'aid of the inviter');
  assertLength(pair.joiner, 32, 'aid of the joiner');
  return hmacSha256(secret, concatBytes(label('invite'), pair.inviter, pair.joiner));
}
