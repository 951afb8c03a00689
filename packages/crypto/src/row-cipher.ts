/**
 * Rows of an agent's store as they rest on a disk: each write under a key of its own, bound to the
 * row's place (protocol.md §2.11). Owns the sealed form; knows no database and no tables.
 *
 *   place       = L("store-row") || lp8(table) || lp8(id)
 *   key | nonce = HKDF(salt, store key, place, 44)
 *   sealed      = salt (16) || AES-256-GCM(key, nonce, row, place)
 */
import { aes256GcmOpen, aes256GcmSeal, hkdfSha256 } from '#symmetric';
import { assertInteger, assertLength, concatBytes, label, lp8, textBytes } from './bytes.js';
import { CryptoError } from './errors.js';
import type { RandomSource } from './random.js';
import type { Secret } from './secret.js';

const STORE_KEY_BYTES = 32;
const SALT_BYTES = 16;
const MAX_NAME_BYTES = 255;
const ROW_LABEL = label('store-row');

/** Where a row belongs: it does not open anywhere else. Each text at most 255 bytes of UTF-8. */
export interface RowPlace {
  readonly storeKey: Secret<'store key'>;
  readonly table: string;
  readonly id: string;
}

/** What {@link sealRow} takes. */
export interface SealRowRequest extends RowPlace {
  readonly row: Uint8Array;
  /** Gives the salt: a salt used twice for one place would be a key used twice. */
  readonly random: RandomSource;
}

/** Encrypts a row for its place; 32 bytes longer. Sealing equal rows twice gives other bytes. */
export function sealRow({ row, random, ...place }: SealRowRequest): Uint8Array {
  if (!(row instanceof Uint8Array)) throw new CryptoError('INVALID_ARGUMENT', 'row must be bytes');
  const salt = random(SALT_BYTES);
  assertLength(salt, SALT_BYTES, 'salt');
  const { okm, associatedData } = deriveKey(place, salt);
  const [key, nonce] = [okm.subarray(0, 32), okm.subarray(32)];
  const sealed = concatBytes(salt, aes256GcmSeal({ key, nonce, plaintext: row, associatedData }));
  okm.fill(0);
  return sealed;
}

/**
 * The row, or null if these bytes were not sealed with this key for this place: damaged, moved
 * from another row, or another store's. An older row of the same place opens: not seen from here.
 */
export function openRow({
  sealed,
  ...place
}: RowPlace & { readonly sealed: Uint8Array }): Uint8Array | null {
  if (sealed.length < SALT_BYTES) return null;
  const { okm, associatedData } = deriveKey(place, sealed.subarray(0, SALT_BYTES));
  const [key, nonce] = [okm.subarray(0, 32), okm.subarray(32)];
  const ciphertext = sealed.subarray(SALT_BYTES);
  const row = aes256GcmOpen({ key, nonce, ciphertext, associatedData });
  okm.fill(0);
  return row;
}

function deriveKey(
  { storeKey, table, id }: RowPlace,
  salt: Uint8Array,
): { readonly okm: Uint8Array; readonly associatedData: Uint8Array } {
  const associatedData = concatBytes(ROW_LABEL, nameBytes(table), nameBytes(id));
  const ikm = storeKey.reveal();
  assertLength(ikm, STORE_KEY_BYTES, 'store key');
  const okm = hkdfSha256({ salt, ikm, info: associatedData, length: 44 });
  ikm.fill(0);
  return { okm, associatedData };
}

function nameBytes(name: string): Uint8Array {
  if (typeof name !== 'string') throw new CryptoError('INVALID_ARGUMENT', 'names are texts');
  const bytes = textBytes(name);
  assertInteger(bytes.length, 0, MAX_NAME_BYTES, 'length of a name');
  return lp8(bytes);
}
