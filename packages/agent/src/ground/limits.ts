/**
 * Every number that bounds an agent, each with its reason (protocol.md §2.8–2.11, §2.16).
 * Owns the numbers only; limits of records and of the ratchet are crypto's, those of frames and
 * hubs are protocol's.
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MIB = 1024 * 1024;

/**
 * What one peer may fill of the room that is left: a quarter where it is alone. However many fill
 * their part, there is some left for the next one.
 */
export const SHARE_OF_ROOM = 1 / 3;

/** Bytes, milliseconds and counts, as the names say. */
export const AGENT_LIMITS = {
  /**
   * Messages that wait to be accepted by the hub; then `send` is refused with BACKPRESSURE. Those
   * to one peer may be a third of the room that is left, of this and of the bytes: a quarter where
   * only that peer does not read.
   */
  outboxMessages: 10_000,
  /** The same in bytes of sealed messages. */
  outboxBytes: 256 * MIB,
  /** Envelopes sent and not yet answered: far below what a hub allows one connection. */
  inFlight: 128,
  /** Messages for one peer that share one commit. */
  commitMessages: 64,
  /** First wait after a refusal that may pass; doubles up to the longest. */
  resendMs: 500,
  resendMaxMs: 60_000,

  /** Sent contents kept for one peer until it acknowledges them (§2.10). */
  keptMessages: 10_000,
  keptBytes: 64 * MIB,
  keptMs: 7 * DAY_MS,
  /** Contents sealed again for one retry request; the peer asks again for more. */
  retryMessages: 256,
  /**
   * Bytes of contents sealed again for one peer in a minute: about a thousand small ones a second.
   */
  retryBytesPerMinute: 16 * MIB,
  /** First wait before one content is sealed again once more; doubles up to the longest. */
  retryAgainMs: 1_000,
  retryAgainMaxMs: HOUR_MS,

  /** Messages of a stranger that wait for a decision, and their bytes; then it is refused. */
  pendingMessages: 3,
  pendingBytes: 64 * 1024,
  /** Strangers that wait for a decision; the oldest gives way. */
  pendingStrangers: 100,
  /**
   * Peers that wrote first and to which nobody here has written but to answer; one gives way to the
   * next.
   */
  strangers: 1_000,
  /** Bytes of a stranger's first message that the request shows. */
  previewBytes: 1_024,
  /** Invites that have uses left. */
  openInvites: 1_000,

  /** Received numbers remembered above the mark without a hole, for one instance. */
  sequenceSparse: 4_096,
  /**
   * Parts of 64 numbers in which some were received, for one peer: what a message writes of them.
   */
  sequenceParts: 136,
  /** Numbers at or below the mark whose message is remembered, to tell a clone from a repeat. */
  sequenceRecent: 64,
  /** Ranges of numbers at or below the mark that were given up and may still come. */
  givenUpRanges: 64,
  /** Names that a listing of the hub may have: one that goes on is not believed. */
  listedNames: 100_000,
  /** Positions of received messages remembered, of all peers: they reveal what a clone sends. */
  heardPlaces: 4_096,
  /** Envelopes of one peer remembered as taken (price: 4 bytes each, with every commit). */
  takenTags: 14,
  /** Keys of missing messages in one row: a message writes the few rows that it changes. */
  skippedPartKeys: 32,
  /** Instances of one peer whose windows are kept, for each identity of ours, and of how many. */
  instances: 4,
  /** Runs that a word names, of those that its recipient has not acknowledged. */
  runLinks: 16,
  /** The same, remembered of all runs of one peer together. */
  runLinksKept: 32,
  identities: 8,

  /** Age at which a session is replaced: coarse post-quantum healing (§2.9). */
  sessionLifetimeMs: 7 * DAY_MS,
  /** Messages sent in a session before it is replaced: bounds the length of chains. */
  sessionMessages: 10_000,
  /** How long a session that is not used for sending still receives. */
  sessionDrainMs: 14 * DAY_MS,

  /** First wait between two automatic resets for one peer; doubles up to the longest (§2.10). */
  resetMs: HOUR_MS,
  resetMaxMs: DAY_MS,
  /** New sessions accepted: of one identity in a minute, of all in a second. */
  handshakesPerMinute: 5,
  handshakesPerSecond: 50,
  /** Steps over missing messages: what a peer may cost at once, and each second after that. */
  skipBurst: 4_000,
  skipsPerSecond: 200,
  /** Peers whose steps are remembered (price: about 100 bytes each). */
  skipAccounts: 10_000,
  /** First wait asked of a hub with what cannot be taken now, and for a person's decision. */
  busyNackMs: 15_000,
  /** The same where only the hub could not be asked at that moment, and the longest of these. */
  soonNackMs: 2_000,
  soonNackMaxMs: 30_000,
  heldNackMs: MINUTE_MS,
  /** Longest such wait: each is twice the one before. */
  nackMaxMs: HOUR_MS,

  /** Unacknowledged messages, or age of the first, that make a receipt (§2.10). */
  receiptMessages: 64,
  receiptMs: 30_000,
  /** Wait for more outcomes before they are told together; then one message at a time (§2.10). */
  outcomeMs: 100,
  /** Messages to one peer whose outcome is awaited in memory: as many as are kept. */
  outcomesAwaited: 10_000,
  /** Wait before a missing number is asked for: what is only late arrives meanwhile. */
  gapMs: 2_000,
  /** How often a gap is asked for, each time after four times the wait. */
  gapAttempts: 7,

  /** Wait before a peer is asked what has come of what a former identity has said, or was told. */
  behindMs: 3_000,
  /** How often, each time after four times the wait; then with the next start. */
  behindAttempts: 9,
  /** Bytes of contents that are asked about, and said again, at once. */
  behindBytes: MIB,

  /** Wait for an acknowledgement before a nudge asks for it; each time four times as long. */
  nudgeMs: 5 * MINUTE_MS,
  /** How often: the last time after some days, since contents are kept for seven. */
  nudgeAttempts: 6,

  /** One-time prekeys on the hub, and the number at which they are refilled (§2.2). */
  oneTimePrekeys: 50,
  oneTimeRefill: 20,
  /** One-time prekeys whose private halves are kept: those on the hub, taken, or handed over. */
  oneTimePrekeysIssued: 1_000,
  /** Private halves of signed prekeys: 9 days of life, one every 2 days and some for new runs. */
  signedPrekeys: 32,
  /** Of them, those that only time brings: however many new runs there are, none of these goes. */
  signedPrekeysInTurn: 6,
  /** Sessions accepted under one signed prekey without a one-time prekey (§2.3). */
  sessionsPerSignedPrekey: 100_000,
  /** How long an accepted session is never accepted again: longer than any one-time prekey. */
  usedSessionMs: 32 * DAY_MS,
  /** How long an identity that was followed by another one still receives (§2.13). */
  formerReceivesMs: 7 * DAY_MS,
  /** How long it vouches for its successor in renewed records: as long as a record lives. */
  formerVouchesMs: 90 * DAY_MS,
  /** Successions in a row that a peer follows which has missed them all. */
  successionLinks: 16,
  /** How long a change of identity waits for the hub to accept what was said before. */
  rotationDrainMs: 30_000,
  /** Age at which the identity record is signed anew; it lives 90 days. */
  recordRenewalMs: 30 * DAY_MS,
  /** How often keys are looked after: far below the 48 hours of a signed prekey. */
  upkeepMs: HOUR_MS,

  /** First wait before a peer that is not there yet is looked for again; doubles to the longest. */
  peerWaitMs: 250,
  peerWaitMaxMs: 5_000,
  /** How long the agents of a hub that has lost some time are expected back. */
  hubReturnMs: MINUTE_MS,

  /** Requests that have not ended; then `call` is refused with BACKPRESSURE. */
  openCalls: 10_000,
  /** Longest wait for an answer, whatever a request says: its envelope waits a minute longer. */
  callMs: 29 * DAY_MS,
  /** How long an answer is kept that is not read. */
  answerKeptMs: 7 * DAY_MS,
  /** How long requests with the same key get the same answer. */
  keyKeptMs: DAY_MS,
  /** Messages and requests that may lead to one another. */
  hops: 8,
  /**
   * Automatic messages of two agents in so many milliseconds, half of them of each, without a
   * person or a request in between: then `loopSuspected` is told, and they are held.
   */
  loopMessages: 20,
  loopMs: MINUTE_MS,
  /** Pairs whose automatic messages are counted (price: about 500 bytes each). */
  loopPairs: 10_000,
  /**
   * Messages that wait for a handler. One sender may fill a third of the room that is left, a
   * quarter where it is alone; beyond it only its own messages wait.
   */
  inboxMessages: 4_096,
  /** The same in bytes of contents. */
  inboxBytes: 64 * MIB,
  /**
   * Bytes of deliveries that are kept beside it where a sender has filled its part, until there is
   * room; one sender may take a quarter of them. What has waited so long is put off.
   */
  backlogBytes: 16 * MIB,
  backlogMs: MINUTE_MS,
  /** How long a handler has a message before `handlerSlow` is told. */
  handlerSlowMs: MINUTE_MS,
  /** Runs of the handlers for one message before it becomes a local dead letter. */
  handlerAttempts: 5,
  /** How long a message waits for earlier ones of its sender before it overtakes them. */
  inOrderMs: 3_000,
  /** First wait before a failed message is handled again; doubles each time. */
  handlerRetryMs: 1_000,
  /** Dead letters and security events kept: enough to look into, never a growing store. */
  deadLetters: 1_000,
  securityEvents: 1_000,
  /** How long `close` waits for handlers and for the hub. */
  drainMs: 5_000,
} as const;
