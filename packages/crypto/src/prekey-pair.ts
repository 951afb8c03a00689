/**
 * A prekey with its private half, as its owner keeps it (protocol.md §2.2).
 * Owns creation and the storage form; publication and deletion are the agent's.
 */
import { compareBytes, concatBytes, Reader, u8, wipe } from './bytes.js';
import type { PublicIdentity } from './identity.js';
import type { AgentKeyPair } from './key-pair.js';
import { KEM_SEED_BYTES, kemKeyPair } from './ml-kem.js';
import type { KemKeyPair } from './ml-kem.js';
import { encodePrekey, parsePrekeyRecord, PREKEY_RECORD_BYTES } from './prekey.js';
import type { PrekeyKind, PrekeyRecord } from './prekey.js';
import type { RandomSource } from './random.js';
import { dhKeyPair } from './x25519.js';
import type { DhKeyPair } from './x25519.js';

/** A prekey and both its private keys. */
export interface PrekeyPair {
  readonly record: PrekeyRecord;
  readonly dh: DhKeyPair;
  readonly kem: KemKeyPair;
}

/** What {@link createPrekey} makes. */
export interface PrekeyRequest {
  readonly keyPair: AgentKeyPair;
  readonly kind: PrekeyKind;
  readonly id: number;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly random: RandomSource;
}

const STORAGE_VERSION = 2;

/** Draws an X25519 scalar (32 bytes), then an ML-KEM seed (64), and signs the record. */
export function createPrekey(request: PrekeyRequest): PrekeyPair {
  const { keyPair, kind, id, createdMs, expiresMs, random } = request;
  const scalar = random(32);
  const dh = dhKeyPair(scalar);
  wipe(scalar);
  const seed = random(KEM_SEED_BYTES);
  const kem = kemKeyPair(seed);
  wipe(seed);
  const statement = { kind, aid: keyPair.identity.aid, id, createdMs, expiresMs };
  const record = encodePrekey({ ...statement, dh: dh.publicKey, kem: kem.publicKey }, (bytes) =>
    keyPair.sign(bytes),
  );
  return { record, dh, kem };
}

/** Storage form, secret: version | scalar(32) | seed(64) | record(1337). */
export function encodePrekeyPair(pair: PrekeyPair): Uint8Array {
  return pair.dh.scalar.use((scalar) =>
    pair.kem.seed.use((seed) => concatBytes(u8(STORAGE_VERSION), scalar, seed, pair.record.bytes)),
  );
}

/**
 * Reads the storage form back; throws MALFORMED, BAD_RECORD or BAD_KEY on damage, and MALFORMED
 * when the halves do not belong together.
 */
export function decodePrekeyPair(bytes: Uint8Array, owner: PublicIdentity): PrekeyPair {
  const reader = new Reader(bytes, 'MALFORMED');
  reader.expect(u8(STORAGE_VERSION));
  const [scalar, seed] = [reader.take(32), reader.take(KEM_SEED_BYTES)];
  const [dh, kem] = [dhKeyPair(scalar), kemKeyPair(seed)];
  wipe(scalar, seed);
  const record = parsePrekeyRecord(reader.take(PREKEY_RECORD_BYTES), owner);
  reader.end();
  if (compareBytes(dh.publicKey, record.dh) !== 0) reader.fail();
  if (compareBytes(kem.publicKey, record.kem) !== 0) reader.fail();
  return { record, dh, kem };
}
