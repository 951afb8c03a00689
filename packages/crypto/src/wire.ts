/**
 * The bytes of one end-to-end message (protocol.md §2.5): header, optional prekey block, header tag
 * and ciphertext. Owns the layout and what is authenticated with it; opens nothing.
 */
import { hmacSha256 } from '#symmetric';
import { concatBytes, copyBytes, equalBytes, label, Reader, u16, u32, u8 } from './bytes.js';
import { LIMITS } from './limits.js';
import { KEM_CIPHERTEXT_BYTES } from './ml-kem.js';
import type { HeaderKey } from './root-key.js';

export const PROTOCOL_VERSION = 2;
/** X25519, ML-KEM-768, Ed25519, HKDF/HMAC-SHA-256, AES-256-GCM. The only suite. */
export const SUITE = 0x0001;
export const PREKEY_BLOCK_BYTES = 1196;

/** Header without a prekey block. */
const HEADER_BYTES = 76;
const TYPE = { initial: 1, ratchet: 2 } as const;
const TAG_BYTES = 16;
const AD_LABEL = label('ad');

/** What the first messages of a session carry so that the other side can build it. */
export interface PrekeyBlock {
  readonly generation: number;
  readonly signedPrekeyId: number;
  /** 0 = no one-time prekey. */
  readonly oneTimePrekeyId: number;
  readonly ephemeral: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly signing: Uint8Array;
  readonly dh: Uint8Array;
}

/** The fields of a header before it is encoded. */
export interface HeaderFields {
  readonly sid: Uint8Array;
  readonly ratchetKey: Uint8Array;
  /** PN: length of the previous sending chain. */
  readonly previousLength: number;
  /** N: number in this chain. */
  readonly number: number;
  readonly salt: Uint8Array;
  /** Encoded block: present exactly in messages of type `initial`. */
  readonly prekeyBlock: Uint8Array | null;
}

/** A message taken apart. Nothing in it is authenticated yet. */
export interface ParsedMessage extends Omit<HeaderFields, 'prekeyBlock'> {
  readonly type: keyof typeof TYPE;
  readonly prekeyBlock: PrekeyBlock | null;
  /** Header bytes exactly as received. */
  readonly header: Uint8Array;
  readonly tag: Uint8Array;
  /** A view of the input, not a copy: forged messages should cost no more than their headers. */
  readonly ciphertext: Uint8Array;
}

export function encodePrekeyBlock(block: PrekeyBlock): Uint8Array {
  return concatBytes(
    u32(block.generation),
    u32(block.signedPrekeyId),
    u32(block.oneTimePrekeyId),
    block.ephemeral,
    block.ciphertext,
    block.signing,
    block.dh,
  );
}

export function encodeHeader(fields: HeaderFields): Uint8Array {
  return concatBytes(
    u8(PROTOCOL_VERSION),
    u8(fields.prekeyBlock === null ? TYPE.ratchet : TYPE.initial),
    u16(SUITE),
    fields.sid,
    fields.ratchetKey,
    u32(fields.previousLength),
    u32(fields.number),
    fields.salt,
    fields.prekeyBlock ?? new Uint8Array(0),
  );
}

/** Takes a message apart; throws MALFORMED for a wrong size, version, type or suite. */
export function parseMessage(wire: Uint8Array): ParsedMessage {
  const reader = new Reader(wire, 'MALFORMED');
  if (wire.length > LIMITS.envelopeBytes) reader.fail();
  if (reader.u8() !== PROTOCOL_VERSION) reader.fail();
  const type = typeOf(reader);
  if (reader.u16() !== SUITE) reader.fail();
  const fields = {
    sid: reader.take(16),
    ratchetKey: reader.take(32),
    previousLength: reader.u32(),
    number: reader.u32(),
    salt: reader.take(16),
  };
  const prekeyBlock = type === 'initial' ? readPrekeyBlock(reader) : null;
  const header = copyBytes(wire.subarray(0, reader.position));
  const tag = reader.take(TAG_BYTES);
  if (reader.remaining < LIMITS.minPaddedBytes + TAG_BYTES) reader.fail();
  const ciphertext = reader.takeRest();
  return { type, ...fields, prekeyBlock, header, tag, ciphertext };
}

function typeOf(reader: Reader): keyof typeof TYPE {
  const type = reader.u8();
  if (type === TYPE.initial) return 'initial';
  if (type === TYPE.ratchet) return 'ratchet';
  return reader.fail();
}

function readPrekeyBlock(reader: Reader): PrekeyBlock {
  const block = {
    generation: reader.u32(),
    signedPrekeyId: reader.u32(),
    oneTimePrekeyId: reader.u32(),
    ephemeral: reader.take(32),
    ciphertext: reader.take(KEM_CIPHERTEXT_BYTES),
    signing: reader.take(32),
    dh: reader.take(32),
  };
  if (block.generation === 0 || block.signedPrekeyId === 0) reader.fail();
  return block;
}

/** AD = L("ad") || aid_sender || aid_recipient || header. */
export function associatedData(
  sender: Uint8Array,
  recipient: Uint8Array,
  header: Uint8Array,
): Uint8Array {
  return concatBytes(AD_LABEL, sender, recipient, header);
}

/** The aids in an AD; throws MALFORMED for bytes that are none. */
export function partiesOf(ad: Uint8Array): {
  readonly sender: Uint8Array;
  readonly recipient: Uint8Array;
} {
  const reader = new Reader(ad, 'MALFORMED');
  if (!equalBytes(reader.take(AD_LABEL.length), AD_LABEL)) reader.fail();
  const parties = { sender: reader.take(32), recipient: reader.take(32) };
  const header = reader.takeRest().length;
  if (header !== HEADER_BYTES && header !== HEADER_BYTES + PREKEY_BLOCK_BYTES) reader.fail();
  return parties;
}

/** tagH: first 16 bytes of HMAC-SHA-256(HM, AD). */
export function headerTag(headerKey: HeaderKey, ad: Uint8Array): Uint8Array {
  return headerKey.use((key) => hmacSha256(key, ad)).slice(0, TAG_BYTES);
}

/** Constant-time check of the header tag. */
export function isHeaderAuthentic(headerKey: HeaderKey, ad: Uint8Array, tag: Uint8Array): boolean {
  return equalBytes(headerTag(headerKey, ad), tag);
}
