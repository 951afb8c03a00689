/**
 * Messages that no honest peer makes, built from the package's internals so that everything but the
 * forged part is right: a refusal then shows that one check, not an accident.
 */
import { aes256GcmSeal, hkdfSha256 } from '#symmetric';
import { concatBytes, label } from '../src/bytes.js';
import { stepChain } from '../src/chain-key.js';
import type { MessageKey } from '../src/chain-key.js';
import type { AgentKeyPair, CryptoSession } from '../src/index.js';

import { signMessage } from '../src/message-signature.js';
import { pad } from '../src/padding.js';
import type { HeaderKey } from '../src/root-key.js';
import { associatedData, encodeHeader, headerTag } from '../src/wire.js';
import { contentOf } from './two-agents.js';

/** What differs from the message that `seal` would make. */
export interface Forgery {
  readonly session: CryptoSession;
  /** Who signs; nobody = 64 zero bytes. */
  readonly signer?: AgentKeyPair | undefined;
  readonly content?: Uint8Array;
  /** Content and signature; in place of both. */
  readonly inner?: Uint8Array;
  /** The padded plaintext, whole. */
  readonly plaintext?: Uint8Array;
  readonly number?: number;
  readonly previousLength?: number;
  readonly ratchetKey?: Uint8Array;
  readonly sid?: Uint8Array;
  /** Changes the encoded header before anything is computed over it. */
  readonly header?: (header: Uint8Array) => Uint8Array;
  /** Whose aids go into the associated data; the session's when left out. */
  readonly sender?: Uint8Array;
  readonly recipient?: Uint8Array;
  /** What the signature covers in place of the message's own associated data. */
  readonly signedData?: Uint8Array;
}

/** The key of message `number` of the session's sending chain. */
function messageKeyAt(session: CryptoSession, number: number): MessageKey {
  let step = stepChain(session.sending);
  for (let at = session.sending.next; at < number; at++) step = stepChain(step.chain);
  return step.messageKey;
}

function signatureOf(forgery: Forgery, ad: Uint8Array, content: Uint8Array): Uint8Array {
  const { signer, signedData = ad } = forgery;
  return signer === undefined ? new Uint8Array(64) : signMessage(signer, signedData, content);
}

/** The message, with header tag and AEAD made under the session's own keys. */
export function forge(forgery: Forgery): Uint8Array {
  const { session, number = session.sending.next, content = contentOf('forged') } = forgery;
  const salt = new Uint8Array(16).fill(0x5a);
  const header = (forgery.header ?? ((same) => same))(
    encodeHeader({
      sid: forgery.sid ?? session.sid,
      ratchetKey: forgery.ratchetKey ?? session.ratchet.publicKey,
      previousLength: forgery.previousLength ?? session.previousLength,
      number,
      salt,
      prekeyBlock: session.phase === 'initiating' ? session.prekeyBlock : null,
    }),
  );
  const { sender = session.ours, recipient = session.theirs.aid } = forgery;
  const ad = associatedData(sender, recipient, header);
  const tag = headerTag(session.sending.headerKey, ad);
  const inner = forgery.inner ?? concatBytes(content, signatureOf(forgery, ad, content));
  const ciphertext = encrypt({
    messageKey: messageKeyAt(session, number),
    sid: session.sid,
    salt,
    associated: concatBytes(ad, tag),
    plaintext: forgery.plaintext ?? pad(inner),
  });
  return concatBytes(header, tag, ciphertext);
}

/** The same as `message-key.ts`, written again: a test must not share its mistake. */
function encrypt(input: {
  readonly messageKey: MessageKey;
  readonly sid: Uint8Array;
  readonly salt: Uint8Array;
  readonly associated: Uint8Array;
  readonly plaintext: Uint8Array;
}): Uint8Array {
  const { messageKey, sid, salt, associated, plaintext } = input;
  const info = concatBytes(label('message-key'), sid);
  const okm = hkdfSha256({ salt, ikm: messageKey.reveal(), info, length: 44 });
  const key = okm.slice(0, 32);
  const nonce = okm.slice(32);
  return aes256GcmSeal({ key, nonce, plaintext, associatedData: associated });
}

/** Puts the right header tag on a message whose header or body was changed afterwards. */
export function retag(
  wire: Uint8Array,
  headerLength: number,
  under: {
    readonly headerKey: HeaderKey;
    readonly sender: Uint8Array;
    readonly recipient: Uint8Array;
  },
): Uint8Array {
  const retagged = new Uint8Array(wire);
  const ad = associatedData(under.sender, under.recipient, wire.subarray(0, headerLength));
  retagged.set(headerTag(under.headerKey, ad), headerLength);
  return retagged;
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}
