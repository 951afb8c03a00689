/**
 * The limits one hub works with: those of protocol.md §2.16, which an operator may lower, and the
 * few that are this implementation's own. What only this hub's machine has to bear may be raised
 * too. Owns the numbers; each is enforced where the thing it bounds is kept.
 */
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';
import { HubError } from './errors.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Defaults, and bounds unless {@link RAISABLE} has another. Bytes, milliseconds and counts unless
 * the name says else.
 */
export const CORE_LIMITS = {
  frameBytes: PROTOCOL_LIMITS.frameBytes,
  preAuthFrameBytes: PROTOCOL_LIMITS.preAuthFrameBytes,
  blobBytes: PROTOCOL_LIMITS.blobBytes,
  signedPrekeys: PROTOCOL_LIMITS.signedPrekeys,
  oneTimePrekeys: PROTOCOL_LIMITS.oneTimePrekeys,
  oneTimeFetchesPerRequesterPerMinute: PROTOCOL_LIMITS.oneTimeFetchesPerRequesterPerMinute,
  oneTimeFetchesPerTargetPerMinute: PROTOCOL_LIMITS.oneTimeFetchesPerTargetPerMinute,
  /** One requester may take this many of one target: several resets, but not the whole stock. */
  oneTimeFetchesPerPairPerMinute: 5,
  maxTtlSeconds: PROTOCOL_LIMITS.maxTtlSeconds,
  dedupExtraSeconds: PROTOCOL_LIMITS.dedupExtraSeconds,
  inFlight: PROTOCOL_LIMITS.inFlight,
  sendsPerSecond: PROTOCOL_LIMITS.sendsPerSecond,
  sendBurst: PROTOCOL_LIMITS.sendBurst,
  sendBytesPerSecond: PROTOCOL_LIMITS.sendBytesPerSecond,
  requestsPerSecond: PROTOCOL_LIMITS.requestsPerSecond,
  requestBurst: PROTOCOL_LIMITS.requestBurst,
  queueMessages: PROTOCOL_LIMITS.queueMessages,
  queueBytes: PROTOCOL_LIMITS.queueBytes,
  queueShareOfOneSender: PROTOCOL_LIMITS.queueShareOfOneSender,
  deliveryAttempts: PROTOCOL_LIMITS.deliveryAttempts,
  initialCreditMessages: PROTOCOL_LIMITS.initialCreditMessages,
  initialCreditBytes: PROTOCOL_LIMITS.initialCreditBytes,
  listNames: PROTOCOL_LIMITS.listNames,
  beginMs: PROTOCOL_LIMITS.beginMs,
  authenticationMs: PROTOCOL_LIMITS.authenticationMs,
  silenceMs: PROTOCOL_LIMITS.silenceMs,
  connections: PROTOCOL_LIMITS.connections,
  preAuthConnectionsPerAddress: PROTOCOL_LIMITS.preAuthConnectionsPerAddress,
  newConnectionsPerSecond: PROTOCOL_LIMITS.newConnectionsPerSecond,
  /** Bad frames of one connection; the last of them closes it (hub.md §2). */
  badFrames: 3,
  /** Frames of a connection before it has authenticated: it needs two, and a ping or so. */
  preAuthFrames: 20,
  /**
   * Pings, credits, acknowledgements and refusals of one agent that answer no delivery. Each
   * delivery allows two more.
   */
  controlsPerSecond: 100,
  controlBurst: 1_000,
  /** Refused requests that one sender may pile up before the connection is closed as a flood. */
  refusedBurst: 10_000,
  /** How fast they are forgiven. */
  refusedPerSecond: 1_000,
  /** Unanswered `put_*`, `get_bundle` and `list` of one connection; they are done one by one. */
  pendingRequests: PROTOCOL_LIMITS.pendingRequests,
  /** Blob bytes of all senders that wait for their commit: bounds the hub's memory. */
  uncommittedBytes: 64 * MIB,
  /** Envelopes that make a commit start before the turn of the loop ends (hub.md §4). */
  commitEnvelopes: 512,
  /** Envelopes and bytes read at once from a queue that is caught up with. */
  pageMessages: 128,
  pageBytes: 256 * KIB,
  /** Unsent bytes of a connection above which nothing more is pushed to it. */
  backlogBytes: 256 * KIB,
  /** Envelopes that wait in memory for room on their connections; more are read from the store. */
  heldBytes: 64 * MIB,
  /** The same for one connection. */
  heldBytesOfOne: 4 * MIB,
  /** Unfinished frames and unread answers of all connections, in the hub's memory. */
  bufferBytes: 256 * MIB,
  /** Notices pushed at once. */
  noticePage: 100,
  /** Envelopes and ids removed in one sweep, so that a sweep does not stop the loop. */
  sweepSize: 1_000,
  /** How long a retired identity may still receive (protocol.md §2.13). */
  retiredMs: 7 * DAY_MS,
  /** How long an agent that keeps no keys may come back after it has left. */
  transientMs: HOUR_MS,
  /** How long a notice waits for its sender: as long as the longest envelope. */
  keepNoticesMs: 30 * DAY_MS,
} as const;

/** One hub's limits. */
export type CoreLimits = Readonly<Record<keyof typeof CORE_LIMITS, number>>;

/** How far an operator may raise what costs this hub's machine alone: clients need not know. */
export const RAISABLE: Readonly<Partial<Record<keyof CoreLimits, number>>> = {
  sendsPerSecond: 10_000_000,
  sendBurst: 10_000_000,
  sendBytesPerSecond: 64 * GIB,
  requestsPerSecond: 1_000_000,
  requestBurst: 1_000_000,
  controlsPerSecond: 1_000_000,
  controlBurst: 1_000_000,
  refusedBurst: 1_000_000,
  refusedPerSecond: 1_000_000,
  queueMessages: 10_000_000,
  queueBytes: 1_024 * GIB,
  connections: 1_000_000,
  preAuthConnectionsPerAddress: 1_000_000,
  newConnectionsPerSecond: 1_000_000,
  uncommittedBytes: 64 * GIB,
  heldBytes: 64 * GIB,
  bufferBytes: 64 * GIB,
};

/** The default limits with some changed; BAD_OPTION for an unknown name, too much or a zero. */
export function coreLimits(changed: Partial<CoreLimits> = {}): CoreLimits {
  for (const [name, value] of Object.entries(changed)) {
    if (!Object.hasOwn(CORE_LIMITS, name)) throw new HubError('BAD_OPTION', `no limit ${name}`);
    const known = name as keyof CoreLimits;
    const highest = RAISABLE[known] ?? CORE_LIMITS[known];
    const isCount = Number.isInteger(value) || name === 'queueShareOfOneSender';
    if (!isCount || !(value > 0) || value > highest) {
      throw new HubError('BAD_OPTION', `limit ${name} must be above 0 and at most ${highest}`);
    }
  }
  const limits = { ...CORE_LIMITS, ...changed };
  // What no empty queue takes would be put off for ever: it is too large, and clients are told so.
  const share = Math.max(1, Math.floor(limits.queueBytes * limits.queueShareOfOneSender));
  return { ...limits, blobBytes: Math.min(limits.blobBytes, share) };
}
