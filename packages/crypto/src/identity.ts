/**
 * Who an agent is (protocol.md §2.1): two independent public keys and the hash that names them.
 * Owns aid, address and name; does not own private keys (`key-pair`) nor the published record.
 */
import { sha256 } from '#hash';
import { assertLength, concatBytes, copyBytes, label } from './bytes.js';
import { CryptoError } from './errors.js';
import { LIMITS } from './limits.js';
import { checkDhKey, checkSigningKey } from './public-key.js';

/** The two public keys of an agent and its aid. Made only by {@link importIdentity}. */
export interface PublicIdentity {
  /** IKs: 32-byte Ed25519 key that signs everything of the identity. */
  readonly signing: Uint8Array;
  /** IKd: 32-byte X25519 key, independent of the signing key. */
  readonly dh: Uint8Array;
  /** aid: 32 bytes; this is the agent in every cryptographic statement. */
  readonly aid: Uint8Array;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const ADDRESS_PREFIX = 'am2';
const ADDRESS_LENGTH = 55;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const AID_LABEL = label('aid');

/** Checks both keys (protocol.md §2.1) and names them; throws BAD_KEY. */
export function importIdentity(signing: Uint8Array, dh: Uint8Array): PublicIdentity {
  return identityOf(copyBytes(checkSigningKey(signing)), copyBytes(checkDhKey(dh)));
}

/** The identity of keys that are known to be good: our own, or read back from our own store. */
export function identityOf(signing: Uint8Array, dh: Uint8Array): PublicIdentity {
  return { signing, dh, aid: aidOf(signing, dh) };
}

/** aid = H(L("aid") || IKs || IKd). */
export function aidOf(signing: Uint8Array, dh: Uint8Array): Uint8Array {
  assertLength(signing, 32, 'signing key');
  assertLength(dh, 32, 'X25519 key');
  return sha256(concatBytes(AID_LABEL, signing, dh));
}

/** Whether a text is an agent name: a label within one hub, never a proof. */
export function isAgentName(text: unknown): text is string {
  return typeof text === 'string' && text.length <= LIMITS.nameBytes && NAME.test(text);
}

/** Refuses what is not an agent name, saying what one looks like. */
export function assertAgentName(text: unknown): asserts text is string {
  if (isAgentName(text)) return;
  throw new CryptoError(
    'INVALID_ARGUMENT',
    'an agent name has 1 to 64 characters of a-z 0-9 . _ - and begins with a letter or digit',
  );
}

/** `am2` and the base32 of the aid: 55 characters that name an agent without any hub. */
export function addressOf(aid: Uint8Array): string {
  assertLength(aid, 32, 'aid');
  let text = ADDRESS_PREFIX;
  let held = 0;
  let bits = 0;
  for (const byte of aid) {
    held = ((held << 8) | byte) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += BASE32.charAt((held >>> (bits - 5)) & 31);
  }
  return bits === 0 ? text : text + BASE32.charAt((held << (5 - bits)) & 31);
}

/** The aid of an address; refuses upper case, wrong length and non-zero pad bits. */
export function aidOfAddress(text: string): Uint8Array {
  const aid = typeof text === 'string' && text.length === ADDRESS_LENGTH ? decode(text) : null;
  if (aid === null || addressOf(aid) !== text) {
    throw new CryptoError('INVALID_ARGUMENT', 'an address is am2 and 52 characters of a-z 2-7');
  }
  return aid;
}

/** Base32 without judgement of pad bits: the caller compares the canonical encoding. */
function decode(text: string): Uint8Array | null {
  const aid = new Uint8Array(32);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const character of text.slice(ADDRESS_PREFIX.length)) {
    const value = BASE32.indexOf(character);
    if (value < 0) return null;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      aid[at++] = held >>> bits;
    }
  }
  return aid;
}
