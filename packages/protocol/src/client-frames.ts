/**
 * Frames from client to hub (hub.md §2): shapes only, strict, one schema per frame. Owns their
 * fields; the text around them is `frame-codec`, what a hub does with them is its core.
 *
 * `begin` is the first frame; `hello` answers it. `auth`, `put_identity`, `put_prekeys`,
 * `put_revocation`, `get_bundle`, `send`, `list` and `ping` are requests: they carry `id`, which
 * the reply repeats as `re`. `ack`, `nack` and `credit` have no reply; a fault in one is an `error`
 * frame without `re`. Units: `ttl` in seconds, `delay` in milliseconds.
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
  namePrefix,
  peer,
  prekeyRecord,
  revocationRecord,
  seq,
  signature,
  token,
  u32,
} from './fields.js';
import { PROTOCOL_LIMITS } from './limits.js';
import * as z from './schema.js';

/**
 * The client's first frame (protocol.md §2.15). It names nobody: the hub proves its key before it
 * learns who is asking. No version of the protocol changes its shape.
 */
const begin = z.strictObject({
  type: z.literal('begin'),
  versions: z.array(integer(255, 1), { min: 1, max: 16 }),
  /** What the client can use beyond this version; a hub ignores those that it does not know. */
  features,
  /** Fresh for each connection. */
  clientNonce: bytes32,
});

/** Proves possession of the identity key on this connection (protocol.md §2.15). */
const auth = z.strictObject({
  type: z.literal('auth'),
  id: u32,
  name: agentName,
  /** IKs. */
  identityKey: bytes32,
  /** IKd. */
  exchangeKey: bytes32,
  instance: bytes16,
  boot: u32,
  /** Kind only: each end takes the value from its own side of the connection. */
  channelBinding: z.literal([0, 1, 2]),
  /**
   * This identity's keys are kept nowhere: it holds its name only while it is connected. Signed.
   * Only for the feature `transient`.
   */
  transient: z.boolean().optional(),
  token: token.optional(),
  signature,
});

const putIdentity = z.strictObject({
  type: z.literal('put_identity'),
  id: u32,
  record: identityRecord,
});

const putPrekeys = z.strictObject({
  type: z.literal('put_prekeys'),
  id: u32,
  signed: z.array(prekeyRecord, { max: PROTOCOL_LIMITS.signedPrekeys }),
  oneTime: z.array(prekeyRecord, { max: PROTOCOL_LIMITS.oneTimePrekeys }),
  /** Forget all earlier ones in the same transaction. */
  replaceAll: z.boolean().optional(),
});

/** Of any identity that the hub knows; it proves itself, whichever agent shows it. */
const putRevocation = z.strictObject({
  type: z.literal('put_revocation'),
  id: u32,
  revocation: revocationRecord,
});

const getBundle = z.strictObject({
  type: z.literal('get_bundle'),
  id: u32,
  peer,
  /** Whether a one-time prekey is wanted. */
  oneTime: z.boolean(),
});

const sendFields = {
  id: u32,
  /**
   * Number of the `send` to the same recipient before this one, while that is not answered: if the
   * hub has no room for that one, it takes this one as little, so that order is kept.
   */
  after: u32.optional(),
  envelope: z.strictObject({
    /** 16 random bytes, chosen by the sender once per message and kept over all retries. */
    id: bytes16,
    /** aid of the recipient. */
    to: bytes32,
    ttl: integer(PROTOCOL_LIMITS.maxTtlSeconds, 1),
    blob,
  }),
};

const send = z.strictObject({ type: z.literal('send'), ...sendFields });

/** Several `send` in one frame, each with its own number. Only for the feature `many`. */
const sendMany = z.strictObject({
  type: z.literal('send_many'),
  sends: z.array(z.strictObject(sendFields), { min: 1, max: PROTOCOL_LIMITS.manyFrames }),
});

const ack = z.strictObject({
  type: z.literal('ack'),
  seqs: z.array(seq, { min: 1, max: PROTOCOL_LIMITS.ackSeqs }),
});

const nack = z.strictObject({
  type: z.literal('nack'),
  seq,
  delay: integer(PROTOCOL_LIMITS.nackDelayMs),
  reason: code,
});

/** Adds to what the hub may push. */
const credit = z.strictObject({
  type: z.literal('credit'),
  messages: integer(PROTOCOL_LIMITS.queueMessages),
  bytes: integer(PROTOCOL_LIMITS.queueBytes),
});

const list = z.strictObject({
  type: z.literal('list'),
  id: u32,
  prefix: namePrefix.optional(),
  cursor: cursor.optional(),
  max: integer(PROTOCOL_LIMITS.listNames, 1).optional(),
});

const ping = z.strictObject({ type: z.literal('ping'), id: u32 });

/** Every frame that a client may send. */
export const clientFrame = z.discriminatedUnion('type', [
  begin,
  auth,
  putIdentity,
  putPrekeys,
  putRevocation,
  getBundle,
  send,
  sendMany,
  ack,
  nack,
  credit,
  list,
  ping,
]);

export type BeginFrame = z.output<typeof begin>;
export type AuthFrame = z.output<typeof auth>;
export type PutIdentityFrame = z.output<typeof putIdentity>;
export type PutPrekeysFrame = z.output<typeof putPrekeys>;
export type PutRevocationFrame = z.output<typeof putRevocation>;
export type GetBundleFrame = z.output<typeof getBundle>;
export type SendFrame = z.output<typeof send>;
export type SendManyFrame = z.output<typeof sendMany>;
export type AckFrame = z.output<typeof ack>;
export type NackFrame = z.output<typeof nack>;
export type CreditFrame = z.output<typeof credit>;
export type ListFrame = z.output<typeof list>;
export type PingFrame = z.output<typeof ping>;

/** Any frame from client to hub. */
export type ClientFrame = z.output<typeof clientFrame>;
/** Those that are answered. */
export type RequestFrame = Extract<ClientFrame, { id: number }>;
