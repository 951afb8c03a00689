/**
 * The state of one session (protocol.md §2.4) and what can be asked of it without a message:
 * shapes, order among sessions of a pair, expiry of skipped keys. Owns readonly state only; sealing
 * is in `seal`, opening in `unseal`. Does not know agents, storage, clocks or JSON.
 */
import { assertTime, compareBytes } from './bytes.js';
import type { MessageKey, ReceiveChain, SendChain } from './chain-key.js';
import type { PublicIdentity } from './identity.js';
import { LIMITS } from './limits.js';
import type { HeaderKey, RootKey } from './root-key.js';
import type { DhKeyPair } from './x25519.js';

/** A chain that the peer has left: only its skipped messages are still taken. */
export interface OldChain {
  readonly ratchetKey: Uint8Array;
  readonly headerKey: HeaderKey;
}

/** The key of a message that has not come yet. */
export interface SkippedKey {
  readonly ratchetKey: Uint8Array;
  readonly number: number;
  readonly key: MessageKey;
  readonly storedAtMs: number;
}

interface SessionBase {
  /** 16 bytes, public: names the session on the wire. */
  readonly sid: Uint8Array;
  /** 1 + the highest generation known when the session was begun. */
  readonly generation: number;
  readonly role: 'initiator' | 'responder';
  /** Our aid. */
  readonly ours: Uint8Array;
  /** The peer, keys checked. */
  readonly theirs: PublicIdentity;
  /** Without a one-time prekey the first messages fall with the signed prekey. */
  readonly usedOneTimePrekey: boolean;
  readonly rootKey: RootKey;
  /** Our current ratchet key pair. */
  readonly ratchet: DhKeyPair;
  /** PN: length of our previous sending chain. */
  readonly previousLength: number;
  readonly sending: SendChain;
  readonly old: readonly OldChain[];
  readonly skipped: readonly SkippedKey[];
}

/** Begun by us; nothing of the peer's has come yet, so every message carries the prekey block. */
export interface InitiatingSession extends SessionBase {
  readonly phase: 'initiating';
  readonly role: 'initiator';
  /** Encoded block, 1196 bytes. */
  readonly prekeyBlock: Uint8Array;
}

/** Both sides have the key: there is a chain in each direction. */
export interface EstablishedSession extends SessionBase {
  readonly phase: 'established';
  readonly receiving: ReceiveChain;
}

/** One end of a session: a readonly value; every operation gives the next one. */
export type CryptoSession = InitiatingSession | EstablishedSession;

/** Order of §2.9: higher generation first, then the lower sid. The best is used for sending. */
export function betterSession(a: CryptoSession, b: CryptoSession): boolean {
  if (a.generation !== b.generation) return a.generation > b.generation;
  return compareBytes(a.sid, b.sid) < 0;
}

/** Drops skipped keys past their lifetime, then the oldest beyond the cap. */
export function boundSkippedKeys(
  skipped: readonly SkippedKey[],
  nowMs: number,
): { readonly skipped: readonly SkippedKey[]; readonly dropped: number } {
  const oldest = nowMs - LIMITS.skippedKeyLifetimeMs;
  const alive = skipped.some((entry) => entry.storedAtMs < oldest)
    ? skipped.filter((entry) => entry.storedAtMs >= oldest)
    : skipped;
  const kept =
    alive.length > LIMITS.skippedKeysPerSession
      ? alive.slice(alive.length - LIMITS.skippedKeysPerSession)
      : alive;
  return { skipped: kept, dropped: skipped.length - kept.length };
}

/** The session without skipped keys that have outlived their time, and how many went. */
export function expireSkippedKeys<Session extends CryptoSession>(
  session: Session,
  nowMs: number,
): { readonly session: Session; readonly dropped: number } {
  assertTime(nowMs);
  const { skipped, dropped } = boundSkippedKeys(session.skipped, nowMs);
  return { session: dropped === 0 ? session : { ...session, skipped }, dropped };
}
