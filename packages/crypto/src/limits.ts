/**
 * Every number that bounds the cryptographic layer, with its reason (protocol.md §2.16).
 * Owns the numbers only; each is enforced where the thing it bounds is made.
 */

const DAY_MS = 86_400_000;

/** Bounds of records, prekeys, messages and ratchet state. */
export const LIMITS = Object.freeze({
  /** Bytes of one application body: a NATS message is 1 MB, and the hub adds an envelope. */
  bodyBytes: 1_000_000,
  /** Bytes of one whole message on the wire. */
  envelopeBytes: 1_048_576,
  /** Smallest padded plaintext: short messages all look alike. */
  minPaddedBytes: 256,
  /** Messages that one message may be ahead of the last (price: one HMAC each). */
  maxSkip: 2_000,
  /** Keys kept of one jump, the newest: what is older comes again with a retry request. */
  skippedKeysPerJump: 200,
  /** Skipped message keys kept in one session (price: about 80 bytes each in the store). */
  skippedKeysPerSession: 2_000,
  /** Skipped message keys kept for one peer over all its sessions. */
  skippedKeysPerPeer: 4_000,
  /** How long a skipped key is kept: an open key is an unread message that can be stolen. */
  skippedKeyLifetimeMs: 14 * DAY_MS,
  /** Old receive chains whose late messages are still taken. */
  oldChains: 5,
  /** First message number that a chain may not reach: far below the wrap of u32. */
  maxMessageNumber: 0x8000_0000,
  /** Sessions kept for one peer: one active, the others receive only. */
  sessionsPerPeer: 8,
  /** Bytes of an agent's name. */
  nameBytes: 64,
  /** Tolerated difference between two clocks when an expiry is judged. */
  clockToleranceMs: DAY_MS,
  /** Lifetime of an identity record: bounds how long a hub can hide a revocation. */
  identityRecordLifetimeMs: 90 * DAY_MS,
  /** Lifetime of a signed prekey: 7 days of hub retention and 2 days more. */
  signedPrekeyLifetimeMs: 9 * DAY_MS,
  /** Age at which a signed prekey is replaced. */
  signedPrekeyRotationMs: 2 * DAY_MS,
  /** Lifetime of a one-time prekey. */
  oneTimePrekeyLifetimeMs: 30 * DAY_MS,
  /** Ranges in one retry request. */
  retryRanges: 64,
} as const);
