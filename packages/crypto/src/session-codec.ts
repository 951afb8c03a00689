/**
 * The storage form of a session: fixed binary, secret, versioned. Owns the layout; who encrypts and
 * commits it is the store's business. Reading refuses anything that writing would not produce.
 *
 *   version | phase | role | oneTime | sid(16) | u32 generation | ours(32) | IKs(32) | IKd(32) |
 *   RK(32) | DHs public(32) | DHs scalar(32) | u32 PN | CKs(32) | HMs(32) | u32 Ns |
 *   initiating: block(1196) · established: DHr(32) | CKr(32) | HMr(32) | u32 Nr |
 *   u8 n old × (dh(32) | HM(32)) | u32 n skipped × (dh(32) | u32 number | mk(32) | u64 storedAtMs)
 *
 * Skipped keys alone, for a store that keeps them in rows of their own:
 *
 *   version | u8 n chains × dh(32) | u8 n × (u8 chain | u32 number | mk(32) | u64 storedAtMs)
 */
import { concatBytes, equalBytes, Reader, u32, u64, u8, wipe } from './bytes.js';
import type { ReceiveChain } from './chain-key.js';
import { CryptoError } from './errors.js';
import { identityOf } from './identity.js';
import { LIMITS } from './limits.js';
import { Secret } from './secret.js';
import type { CryptoSession, SkippedKey } from './session.js';
import { PREKEY_BLOCK_BYTES } from './wire.js';

const VERSION = 2;
const INITIATING = 1;
const ESTABLISHED = 2;
const INITIATOR = 1;
const RESPONDER = 2;

/** Storage form of a session. It holds secrets: the store encrypts it. */
export function encodeSession(session: CryptoSession): Uint8Array {
  const { theirs, ratchet, sending, old, skipped } = session;
  const revealed: Uint8Array[] = [];
  const open = (secret: Secret<string>): Uint8Array => {
    const bytes = secret.reveal();
    revealed.push(bytes);
    return bytes;
  };
  const encoded = concatBytes(
    u8(VERSION),
    u8(session.phase === 'initiating' ? INITIATING : ESTABLISHED),
    u8(session.role === 'initiator' ? INITIATOR : RESPONDER),
    u8(session.usedOneTimePrekey ? 1 : 0),
    session.sid,
    u32(session.generation),
    session.ours,
    theirs.signing,
    theirs.dh,
    open(session.rootKey),
    ratchet.publicKey,
    open(ratchet.scalar),
    u32(session.previousLength),
    open(sending.chainKey),
    open(sending.headerKey),
    u32(sending.next),
    ...(session.phase === 'initiating'
      ? [session.prekeyBlock]
      : receivingParts(session.receiving, open)),
    u8(old.length),
    ...old.flatMap(({ ratchetKey, headerKey }) => [ratchetKey, open(headerKey)]),
    u32(skipped.length),
    ...skipped.flatMap(({ ratchetKey, number, key, storedAtMs }) => [
      ratchetKey,
      u32(number),
      open(key),
      u64(storedAtMs),
    ]),
  );
  wipe(...revealed);
  return encoded;
}

function receivingParts(
  { ratchetKey, chainKey, headerKey, next }: ReceiveChain,
  open: (secret: Secret<string>) => Uint8Array,
): readonly Uint8Array[] {
  return [ratchetKey, open(chainKey), open(headerKey), u32(next)];
}

/** Reads the storage form back; throws MALFORMED on any damage that its layout can show. */
export function decodeSession(bytes: Uint8Array): CryptoSession {
  const reader = new Reader(bytes, 'MALFORMED');
  if (reader.u8() !== VERSION) reader.fail();
  const phase = oneOf(reader, INITIATING, ESTABLISHED);
  const role = oneOf(reader, INITIATOR, RESPONDER) === INITIATOR ? 'initiator' : 'responder';
  const usedOneTimePrekey = oneOf(reader, 0, 1) === 1;
  const base = {
    usedOneTimePrekey,
    sid: reader.take(16),
    generation: reader.u32(),
    ours: reader.take(32),
    theirs: identityOf(reader.take(32), reader.take(32)),
    rootKey: Secret.taking('root key', reader.take(32)),
    ratchet: { publicKey: reader.take(32), scalar: Secret.taking('dh scalar', reader.take(32)) },
    previousLength: reader.u32(),
    sending: {
      direction: 'send',
      chainKey: Secret.taking('chain key', reader.take(32)),
      headerKey: Secret.taking('header key', reader.take(32)),
      next: reader.u32(),
    },
  } as const;
  if (phase === INITIATING) {
    if (role !== 'initiator') return reader.fail();
    const prekeyBlock = reader.take(PREKEY_BLOCK_BYTES);
    return { ...base, phase: 'initiating', role, prekeyBlock, ...readTail(reader) };
  }
  const receiving = readReceiving(reader);
  return { ...base, phase: 'established', role, receiving, ...readTail(reader) };
}

function oneOf(reader: Reader, ...allowed: readonly number[]): number {
  const value = reader.u8();
  if (!allowed.includes(value)) reader.fail();
  return value;
}

function readReceiving(reader: Reader): ReceiveChain {
  return {
    direction: 'receive',
    ratchetKey: reader.take(32),
    chainKey: Secret.taking('chain key', reader.take(32)),
    headerKey: Secret.taking('header key', reader.take(32)),
    next: reader.u32(),
  };
}

function readTail(reader: Reader): Pick<CryptoSession, 'old' | 'skipped'> {
  const oldCount = reader.u8();
  if (oldCount > LIMITS.oldChains) reader.fail();
  const old = Array.from({ length: oldCount }, () => ({
    ratchetKey: reader.take(32),
    headerKey: Secret.taking('header key', reader.take(32)),
  }));
  const skippedCount = reader.u32();
  if (skippedCount > LIMITS.skippedKeysPerSession) reader.fail();
  const skipped = Array.from({ length: skippedCount }, () => ({
    ratchetKey: reader.take(32),
    number: reader.u32(),
    key: Secret.taking('message key', reader.take(32)),
    storedAtMs: reader.u64(),
  }));
  reader.end();
  return { old, skipped };
}

const KEYS_VERSION = 1;
const KEYS_MAX = 255;

/** Storage form of a few skipped keys, at most 255. They are secrets: the store encrypts them. */
export function encodeSkippedKeys(keys: readonly SkippedKey[]): Uint8Array {
  if (keys.length > KEYS_MAX) throw new CryptoError('INVALID_ARGUMENT', 'too many skipped keys');
  const chains: Uint8Array[] = [];
  const entries = keys.map(({ ratchetKey, number, key, storedAtMs }) => {
    const known = chains.findIndex((chain) => equalBytes(chain, ratchetKey));
    const chain = known < 0 ? chains.push(ratchetKey) - 1 : known;
    return concatBytes(u8(chain), u32(number), key.reveal(), u64(storedAtMs));
  });
  return concatBytes(u8(KEYS_VERSION), u8(chains.length), ...chains, u8(keys.length), ...entries);
}

/** Reads them back; throws MALFORMED on any damage that the layout can show. */
export function decodeSkippedKeys(bytes: Uint8Array): readonly SkippedKey[] {
  const reader = new Reader(bytes, 'MALFORMED');
  if (reader.u8() !== KEYS_VERSION) reader.fail();
  const chains = Array.from({ length: reader.u8() }, () => reader.take(32));
  const keys = Array.from({ length: reader.u8() }, () => ({
    ratchetKey: chains[reader.u8()] ?? reader.fail(),
    number: reader.u32(),
    key: new Secret('message key', reader.take(32)),
    storedAtMs: reader.u64(),
  }));
  reader.end();
  return keys;
}
