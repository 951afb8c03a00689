/**
 * Every number that bounds frames, hubs and connections, each with its reason (protocol.md §2.16,
 * hub.md §2). A hub may lower those that it announces in `hello`; nobody may raise one.
 * Owns the numbers only; limits of records and of the ratchet are crypto's.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Hard upper bounds and default times. Bytes, milliseconds and counts unless named else. */
export const PROTOCOL_LIMITS = {
  /** One frame's text: the largest blob in base64url (1,398,102 characters) and room for fields. */
  frameBytes: 1_400_000,
  /** A frame before authentication: a stranger costs little memory. */
  preAuthFrameBytes: 4 * KIB,
  /** Nesting of a frame: real frames need 3. */
  frameDepth: 8,
  /** One end-to-end message: a body of 1 MB, its padding and its headers. */
  blobBytes: MIB,
  /** One application body: what a NATS message holds by default. */
  bodyBytes: 1_000_000,
  /** Nesting of a payload (§2.6): deep enough for data, shallow enough for any recursive reader. */
  payloadDepth: 64,
  /** One identity record: 346 bytes is the longest that can be made. */
  identityRecordBytes: 350,
  /** Signed prekeys stored per identity: the newest and the one being replaced. */
  signedPrekeys: 2,
  /** One-time prekeys stored per identity (Signal: 100); 1,337 bytes each. */
  oneTimePrekeys: 100,
  /** One-time prekeys one requester may take in a minute; then the signed prekey alone. */
  oneTimeFetchesPerRequesterPerMinute: 120,
  /** One-time prekeys taken from one target in a minute: slows an agent that drains them. */
  oneTimeFetchesPerTargetPerMinute: 30,
  /** How long an envelope waits for its recipient unless its sender says otherwise: 7 days. */
  defaultTtlSeconds: 604_800,
  /** Longest wait: 30 days, the lifetime of a one-time prekey. */
  maxTtlSeconds: 2_592_000,
  /** How much longer than its envelope a deduplication entry lives: covers a late retry. */
  dedupExtraSeconds: 86_400,
  /** Envelopes sent but not yet answered, per connection. */
  inFlight: 1_000,
  /** Requests other than `send` that one connection may leave unanswered. */
  pendingRequests: 64,
  /** Rate of one sender: above what a hub can do, which shares itself among those who send. */
  sendsPerSecond: 100_000,
  /** What one sender may send at once before that rate holds. */
  sendBurst: 10_000,
  /** Bytes per second of one sender. */
  sendBytesPerSecond: 256 * MIB,
  /** Rate of one agent's other requests, by their cost: each is work for the hub alone. */
  requestsPerSecond: 100,
  /** What one agent may ask at once before that rate holds. */
  requestBurst: 500,
  /** Envelopes waiting for one recipient; the next is refused, none is dropped. */
  queueMessages: 10_000,
  /** Bytes waiting for one recipient. */
  queueBytes: 256 * MIB,
  /** Share of a queue that one sender may fill, so that no one can block a recipient alone. */
  queueShareOfOneSender: 0.25,
  /** Deliveries without an acknowledgement before an envelope is dead-lettered. */
  deliveryAttempts: 20,
  /** Longest delay that a `nack` may ask for: a day, well within the default wait. */
  nackDelayMs: 86_400_000,
  /** Credit of a fresh connection: envelopes the hub may push unasked. */
  initialCreditMessages: 256,
  /** Credit of a fresh connection in blob bytes. */
  initialCreditBytes: 8 * MIB,
  /** Numbers in one `ack`: four times the first credit. */
  ackSeqs: 1_000,
  /** Envelopes in one `send_many` or `deliver_many`, and answers in one `sent_many`. */
  manyFrames: 64,
  /** Names in one page of `agents`: 67 kB of text at most. */
  listNames: 1_000,
  /** Characters of a registration token. */
  tokenLength: 512,
  /** Characters of an error's text: for a log line. */
  errorMessageLength: 300,
  /** Longest wait that an error may ask for: a day. */
  retryAfterMs: 86_400_000,
  /** Timelines of a hub's store that it names: as many of its restarts an agent may miss. */
  timelines: 8,
  /** From connecting to `begin`: what a hub waits before it says that it expects one (§2.15). */
  beginMs: 5_000,
  /** From connecting to a valid `auth`; also the life of the server nonce (§2.15). */
  authenticationMs: 10_000,
  /** Between two pings of a client: below the idle limit of common NATs and proxies. */
  heartbeatMs: 25_000,
  /** Silence that closes a connection, on both sides: three missed pings. */
  silenceMs: 75_000,
  /** Connections of one hub. */
  connections: 10_000,
  /** Connections from one address that have not authenticated. */
  preAuthConnectionsPerAddress: 50,
  /** Connections accepted per second. */
  newConnectionsPerSecond: 200,
  /** Share of the disk quota above which `send` is refused while acknowledging goes on. */
  diskShare: 0.9,
} as const;
