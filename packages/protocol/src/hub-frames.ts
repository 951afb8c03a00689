/**
 * Frames from hub to client (hub.md §2): shapes only, strict, one schema per frame.
 * Owns their fields; the text around them is `frame-codec`, when they are sent is the hub's core.
 *
 * `auth_ok`, `ok`, `bundle`, `sent`, `agents`, `pong` and `error` are replies: `re` repeats the
 * request's `id` (`error` has none when no request could be read). `hello`, `deliver`, `notice` and
 * `bye` are pushes: the `id` of a `notice` is that of an envelope. Times and `retryAfter` are in
 * milliseconds.
 */
import {
  agentName,
  blob,
  bytes16,
  bytes32,
  code,
  cursor,
  features,
  identityRecord,
  integer,
  line,
  prekeyRecord,
  revocationRecord,
  seq,
  signature,
  timeMs,
  u32,
} from './fields.js';
import { PROTOCOL_LIMITS } from './limits.js';
import * as z from './schema.js';
import { PROTOCOL_VERSION } from './version.js';

/** A hub for benchmarks has no rates: any number is one that a client can keep to. */
const ANY_RATE = Number.MAX_SAFE_INTEGER;

/** What this hub allows, never more than PROTOCOL_LIMITS, and how fast. */
const hubLimits = z.strictObject({
  blobBytes: integer(PROTOCOL_LIMITS.blobBytes, 1),
  ttlSeconds: integer(PROTOCOL_LIMITS.maxTtlSeconds, 1),
  inFlight: integer(PROTOCOL_LIMITS.inFlight, 1),
  signedPrekeys: integer(PROTOCOL_LIMITS.signedPrekeys, 1),
  oneTimePrekeys: integer(PROTOCOL_LIMITS.oneTimePrekeys),
  /** Rate of `send` for each agent. */
  perSecond: integer(ANY_RATE, 1),
  /** What may come at once before that rate holds. */
  burst: integer(ANY_RATE, 1),
  /** Blob bytes of `send`; as many may come at once. */
  bytesPerSecond: integer(ANY_RATE, 1),
  /** Rate of all other requests by their cost, for each agent. */
  requestsPerSecond: integer(ANY_RATE, 1),
  /** What of them may come at once before that rate holds. */
  requestBurst: integer(ANY_RATE, 1),
  /** Requests other than `send` that may wait for their reply. */
  pending: integer(PROTOCOL_LIMITS.pendingRequests, 1),
});

/** The hub's answer to `begin`, signed. No version of the protocol changes its shape. */
const hello = z.strictObject({
  type: z.literal('hello'),
  /** The highest version that both sides speak. */
  version: integer(255, 1),
  /** What the hub can do beyond this version; a client ignores those that it does not know. */
  features,
  hubKey: bytes32,
  /** Single use, valid for 10 s. */
  serverNonce: bytes32,
  time: timeMs,
  limits: hubLimits,
  /** Signature of the hub key over both first frames and this connection; the last field. */
  proof: signature,
});

const authOk = z
  .strictObject({
    type: z.literal('auth_ok'),
    re: u32,
    /** Instance and boot of this identity's authentication before; `null` on its first. */
    lastInstance: bytes16.nullable(),
    lastBoot: u32.nullable(),
    /** Digest of the stored prekeys (§2.2); `null` while no signed prekey is stored. */
    keyDigest: bytes32.nullable(),
    oneTimePrekeys: integer(PROTOCOL_LIMITS.oneTimePrekeys),
    /** Envelopes waiting. */
    queued: u32,
    /**
     * Id of the hub's store, and its timelines: the present one, and before it those that it is
     * known to go on from without a loss, the latest first. Only for the feature `timelines`.
     */
    store: bytes16.optional(),
    timelines: z.array(bytes16, { min: 1, max: PROTOCOL_LIMITS.timelines }).optional(),
    /** Over all other fields and this connection (§2.15); the last field. */
    signature,
  })
  .refine((frame) => (frame.lastInstance === null) === (frame.lastBoot === null), {
    path: ['lastBoot'],
  })
  .refine((frame) => (frame.store === undefined) === (frame.timelines === undefined), {
    path: ['timelines'],
  });

const ok = z.strictObject({
  type: z.literal('ok'),
  re: u32,
  oneTimePrekeys: integer(PROTOCOL_LIMITS.oneTimePrekeys),
  keyDigest: bytes32.nullable(),
});

const bundle = z.strictObject({
  type: z.literal('bundle'),
  re: u32,
  record: identityRecord,
  /** Missing when the identity begins no more sessions: it was revoked, or has a successor. */
  signed: prekeyRecord.optional(),
  oneTime: prekeyRecord.optional(),
  revocation: revocationRecord.optional(),
});

const sentFields = { re: u32, seq, duplicate: z.boolean() };

/** The envelope is durable. */
const sent = z.strictObject({ type: z.literal('sent'), ...sentFields });

/** Several `sent` in one frame. Only for the feature `many`. */
const sentMany = z.strictObject({
  type: z.literal('sent_many'),
  sents: z.array(z.strictObject(sentFields), { min: 1, max: PROTOCOL_LIMITS.manyFrames }),
});

const agents = z.strictObject({
  type: z.literal('agents'),
  re: u32,
  names: z.array(agentName, { max: PROTOCOL_LIMITS.listNames }),
  next: cursor.nullable(),
});

const pong = z.strictObject({ type: z.literal('pong'), re: u32 });

const deliverFields = {
  seq,
  /** 1 for the first delivery. */
  attempt: integer(PROTOCOL_LIMITS.deliveryAttempts, 1),
  envelope: z.strictObject({
    v: z.literal(PROTOCOL_VERSION),
    id: bytes16,
    /** Stamped by the hub from the sender's authenticated connection. */
    from: bytes32,
    to: bytes32,
    ts: timeMs,
    blob,
  }),
};

const deliver = z.strictObject({ type: z.literal('deliver'), ...deliverFields });

/** Several `deliver` in one frame. Only for the feature `many`. */
const deliverMany = z.strictObject({
  type: z.literal('deliver_many'),
  deliveries: z.array(z.strictObject(deliverFields), { min: 1, max: PROTOCOL_LIMITS.manyFrames }),
});

/** What became of an envelope that this client sent and the hub had accepted. */
const notice = z.strictObject({
  type: z.literal('notice'),
  id: bytes16,
  what: z.literal(['expired', 'dead_lettered', 'put_off']),
  /** Why it was put off, as its recipient says; of no other notice. */
  reason: code.optional(),
});

/** The hub closes this connection; `code` is of the table in `errors`. */
const bye = z.strictObject({
  type: z.literal('bye'),
  code,
  /** As in `error`. */
  signature: signature.optional(),
});

const error = z.strictObject({
  type: z.literal('error'),
  re: u32.optional(),
  code,
  message: line,
  retryAfter: integer(PROTOCOL_LIMITS.retryAfterMs).optional(),
  /**
   * Over all other fields and this connection (§2.15), where the error is final; the last field.
   */
  signature: signature.optional(),
});

/** Every frame that a hub may send. */
export const hubFrame = z.discriminatedUnion('type', [
  hello,
  authOk,
  ok,
  bundle,
  sent,
  sentMany,
  agents,
  pong,
  deliver,
  deliverMany,
  notice,
  bye,
  error,
]);

export type HubLimits = z.output<typeof hubLimits>;
export type HelloFrame = z.output<typeof hello>;
export type AuthOkFrame = z.output<typeof authOk>;
export type OkFrame = z.output<typeof ok>;
export type BundleFrame = z.output<typeof bundle>;
export type SentFrame = z.output<typeof sent>;
export type SentManyFrame = z.output<typeof sentMany>;
export type AgentsFrame = z.output<typeof agents>;
export type PongFrame = z.output<typeof pong>;
export type DeliverFrame = z.output<typeof deliver>;
export type DeliverManyFrame = z.output<typeof deliverMany>;
export type NoticeFrame = z.output<typeof notice>;
export type ByeFrame = z.output<typeof bye>;
export type ErrorFrame = z.output<typeof error>;

/** Any frame from hub to client. */
export type HubFrame = z.output<typeof hubFrame>;
/** Those that answer a request; `error` only when its `re` is set. */
export type ReplyFrame = Exclude<
  HubFrame,
  HelloFrame | DeliverFrame | DeliverManyFrame | SentManyFrame | NoticeFrame | ByeFrame
>;
