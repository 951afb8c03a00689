/**
 * Encryption of one message (protocol.md §2.4, §2.5): message key and fresh salt give the AES key
 * and nonce. Owns the AEAD call; what is encrypted is `padding`'s and `session`'s.
 *
 * The salt keeps two messages apart even when a restored snapshot uses a message key again.
 */
import { aes256GcmOpen, aes256GcmSeal, hkdfSha256 } from '#symmetric';
import { concatBytes, label, wipe } from './bytes.js';
import type { MessageKey } from './chain-key.js';

/** What the AES key is derived from, besides the message key. */
export interface MessageContext {
  readonly sid: Uint8Array;
  readonly salt: Uint8Array;
  readonly associatedData: Uint8Array;
}

const INFO = label('message-key');

/** What a task makes of key and nonce, which are overwritten then. */
function withAesKey<Result>(
  messageKey: MessageKey,
  { sid, salt }: MessageContext,
  task: (parts: { readonly key: Uint8Array; readonly nonce: Uint8Array }) => Result,
): Result {
  const info = concatBytes(INFO, sid);
  const okm = messageKey.use((ikm) => hkdfSha256({ salt, ikm, info, length: 44 }));
  try {
    return task({ key: okm.subarray(0, 32), nonce: okm.subarray(32, 44) });
  } finally {
    wipe(okm);
  }
}

/** Ciphertext with its 16-byte tag at the end. */
export function encryptMessage(
  messageKey: MessageKey,
  context: MessageContext,
  plaintext: Uint8Array,
): Uint8Array {
  const { associatedData } = context;
  return withAesKey(messageKey, context, (parts) =>
    aes256GcmSeal({ ...parts, plaintext, associatedData }),
  );
}

/** The plaintext, or `null` when it does not authenticate. */
export function decryptMessage(
  messageKey: MessageKey,
  context: MessageContext,
  ciphertext: Uint8Array,
): Uint8Array | null {
  const { associatedData } = context;
  return withAesKey(messageKey, context, (parts) =>
    aes256GcmOpen({ ...parts, ciphertext, associatedData }),
  );
}
