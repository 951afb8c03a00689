/**
 * The errors of an agent: what the caller did, what a peer or hub did, and what the store did.
 * Owns codes, texts and whether a call may be repeated. Refusals of decryption are `CryptoError`s
 * and refusals of a hub are `ProtocolError`s: those pass through unchanged.
 */
import { addressOf, AgentMeshError, fingerprintOf } from '@agentmesh/crypto';
import { AGENT_LIMITS } from './limits.js';

interface ErrorRule {
  readonly retryable: boolean;
  readonly message: string;
}

const AGENT_ERRORS = {
  /** An option has an unknown name or a wrong value. Write what the text says. */
  BAD_OPTION: { retryable: false, message: 'Option refused' },
  BAD_PEER: {
    retryable: false,
    message: 'Not a peer: write its name (bob), name and fingerprint (bob#<fingerprint>) or am2…',
  },
  BAD_ENVELOPE: {
    retryable: false,
    message: 'Not an envelope that seal() made: pass it unchanged',
  },
  /**
   * Set the clock of the machine whose time is wrong. A running agent goes on by itself then; a
   * call can be repeated.
   */
  CLOCK: {
    retryable: true,
    message: "The clock here and the hub's are too far apart: set the one that is wrong",
  },
  NO_HUB: {
    retryable: false,
    message: 'No hub configured: pass { hub } to Agent.create, or use seal() and open()',
  },
  /** Create the agent again; messages that it had stored are sent then. */
  CLOSED: { retryable: false, message: 'This agent is closed: create it again' },
  BACKPRESSURE: {
    retryable: true,
    message: 'Outbox is full: wait for earlier messages to be accepted',
  },
  /**
   * Compare the new fingerprint with the owner of the peer over another channel, then call
   * `trust(name, fingerprint)`.
   */
  IDENTITY_CHANGED: {
    retryable: false,
    message: 'Peer shows another identity than before',
  },
  SUCCEEDED: {
    retryable: false,
    message: 'Another identity has followed this one: send to the name of the peer',
  },
  ROTATION_BUSY: {
    retryable: true,
    message:
      'Messages still wait for the hub: the identity is the same as before; try again, ' +
      'or give them up with giveUpUnsent',
  },
  NAME_CONFLICT: {
    retryable: false,
    message: 'The hub names another identity for this name: address the peer by its own name',
  },
  UNTRUSTED_PEER: {
    retryable: false,
    message:
      'Strict trust: give the fingerprint (bob#<fingerprint>), the address, or an allow list',
  },
  UNKNOWN_SENDER: {
    retryable: true,
    message: 'Sender was never introduced here: call connectWithBundle() with its bundle first',
  },
  NOT_HANDLED: {
    retryable: true,
    message:
      'The loop over messages() was left before it asked for the next message: this one comes ' +
      'again; call msg.done() before you leave the loop if it is handled',
  },
  NO_MESSAGE: {
    retryable: false,
    message: 'No message with this id waits here: it was handled, withdrawn, or never came',
  },
  NO_DEAD_LETTER: {
    retryable: false,
    message: 'No dead letter has this id: take one from deadLetters()',
  },
  UNKNOWN_PEER: {
    retryable: false,
    message: 'Nothing is known of this peer: send to it or call connect() first',
  },
  NOT_ACCEPTED: {
    retryable: false,
    message: 'Messages from this sender are not accepted: add it to acceptFrom if you want them',
  },
  /** Call `contacts.accept(name)` if you want to hear of this peer again. */
  PEER_BLOCKED: { retryable: false, message: 'Messages of this peer are blocked here' },
  /** Ask the peer for a new invite. */
  BAD_INVITE: {
    retryable: false,
    message: 'Not an invite: paste the whole line that begins with agentmesh:',
  },
  INVITE_EXPIRED: {
    retryable: false,
    message: 'This invite has expired: ask the peer that made it for a new one',
  },
  /** Connect to the hub that the text names, then join. */
  INVITE_OTHER_HUB: {
    retryable: false,
    message: 'This invite is for another hub than the one that this agent is connected to',
  },
  /** Call `invites()` for those that are open. */
  UNKNOWN_INVITE: { retryable: false, message: 'No open invite of this agent has this id' },
  /** Try again when the peer has connected to its hub, or leave out `requireOneTimePrekey`. */
  NO_ONE_TIME_PREKEY: {
    retryable: true,
    message:
      'Peer has no one-time prekey left and requireOneTimePrekey is set: try again once the peer ' +
      'has been online',
  },
  NO_PREKEYS: {
    retryable: true,
    message: 'Peer has no prekeys on the hub at this moment: try again',
  },
  NO_SESSION: {
    retryable: true,
    message: 'No session with this peer: call connectWithBundle() with a fresh bundle of the peer',
  },
  /** Nothing: the message was written for another agent, and was dropped. */
  MISADDRESSED: { retryable: false, message: 'Message names another sender or recipient' },
  /** Ask the owner of the peer: it runs from two copies of its store, or restored an old one. */
  CLONE_OR_ROLLBACK: {
    retryable: false,
    message: 'Two different messages carry one sequence number: the peer runs twice or went back',
  },
  INSTANCE_HELD: {
    retryable: true,
    message: 'Peer has a new store: approve it with trust(name, fingerprint)',
  },
  HANDSHAKE_BUDGET: {
    retryable: true,
    message:
      `More new sessions than ${AGENT_LIMITS.handshakesPerMinute} a minute from one identity, or ` +
      `${AGENT_LIMITS.handshakesPerSecond} a second in all: try again later`,
  },
  /** Add a handler with `onMessage`, or speed up the present one. */
  INBOX_FULL: { retryable: true, message: 'Too many messages of this sender wait for a handler' },
  /** Raise `timeLimit`, or end the handler's work when `message.signal` is aborted. */
  HANDLER_TIMEOUT: { retryable: true, message: 'The handler took longer than its time limit' },
  /** Nothing: the envelope was for the agent itself, such as a receipt. */
  NO_PAYLOAD: {
    retryable: false,
    message: 'The envelope was opened but carries no message for the application',
  },
  /** Ask whoever gave it to you for what `msg.evidence()` returned, unchanged. */
  BAD_EVIDENCE: { retryable: false, message: 'This proves nothing' },
  /** Nothing: only messages of other agents carry a signature that can be shown. */
  NO_EVIDENCE: { retryable: false, message: 'Nothing was kept that could prove this message' },
  /** The reason in brackets is from the application of the recipient. Correct the message. */
  REFUSED: { retryable: false, message: 'The recipient refused this message' },
  /**
   * Ask the owner of the recipient: its handlers failed on the message. It can be retried there
   * with `retryDeadLetter(id)`.
   */
  FAILED: {
    retryable: false,
    message: 'The recipient could not handle this message: it is a dead letter there',
  },
  /** Send it again if it still matters; give it a longer `ttl` if the hub is often away. */
  EXPIRED_UNSENT: {
    retryable: true,
    message: 'Its time was over before the hub had accepted it',
  },
  /** Ask again later, or allow more time. It may still arrive if it was on its way. */
  TIMEOUT: { retryable: true, message: 'Not accepted by the hub in time' },
  /** Allow more time, or find out why the callee is slow or away. */
  DEADLINE: { retryable: true, message: 'No answer in time' },
  /** Have the callee answer with `onRequest`, or with `msg.reply` before its handler ends. */
  NO_REPLY: { retryable: false, message: 'The callee has handled the request without an answer' },
  /** Correct the id: an answer that was read, or is older than 7 days, is forgotten. */
  UNKNOWN_CALL: { retryable: false, message: 'No call has this id' },
  /**
   * Break the circle: a message or request may lead to 8 others in a row. Where a person has
   * written this one, send it with `auto: false`.
   */
  LOOP: { retryable: false, message: 'Too many messages or requests led to this one' },
  /**
   * Look at what the two say to each other; then call `releaseLoop(peer)`, or send what a person
   * has written with `auto: false`.
   */
  PAIR_HELD: {
    retryable: true,
    message: 'Automatic messages of this peer are held: it and this agent answer each other',
  },
  /** Send less, or wait. */
  RATE_LIMITED: { retryable: true, message: 'More messages to this peer than rateLimit allows' },
  /** Call `next()` once, and return or await what it gives. */
  NEXT_TWICE: { retryable: false, message: 'A middleware has called next() a second time' },
  /** Nothing, where that is what the middleware is for; else call `next()` in it. */
  NOT_SENT: { retryable: false, message: 'A middleware has kept this message from being sent' },
  /** Report it to the owner of the callee: its stream does not fit together. */
  STREAM_BROKEN: { retryable: false, message: 'The stream is not what its end says' },
  /** Begin the loop over the stream before you await its `result`, or in the same turn. */
  STREAM_READ: {
    retryable: false,
    message: 'The chunks of this stream were dropped: its result was awaited while nobody read it',
  },
  /** Have the callee's handler begin at `ctx.from` when it runs again. */
  STREAM_RESTARTED: {
    retryable: true,
    message: 'The callee began the stream anew instead of going on',
  },
  /** Nothing: the sender no longer wants the result. */
  CANCELLED: { retryable: false, message: 'Cancelled by its sender' },
  /** Upgrade the recipient. */
  UNSUPPORTED: {
    retryable: false,
    message: 'The recipient runs a version that does not know this kind of message',
  },
  /**
   * Send it again if it still matters. The recipient may have received it, so let it recognise
   * repeats.
   */
  UNDELIVERED: {
    retryable: false,
    message: 'This message was given up; the recipient has not said that it has it',
  },
  OUTCOME_UNKNOWN: {
    retryable: false,
    message:
      'Too many messages to this recipient wait to be handled: listen to outgoing, which still ' +
      'tells what becomes of this one',
  },
} as const satisfies Readonly<Record<string, ErrorRule>>;

/** Stable codes of {@link AgentError}. */
export type AgentErrorCode = keyof typeof AGENT_ERRORS;

/** Whether a text is one of these codes. */
export function isAgentErrorCode(code: string | null): code is AgentErrorCode {
  return code !== null && Object.hasOwn(AGENT_ERRORS, code);
}

/** Refusal or misuse at the level of agents. */
export class AgentError extends AgentMeshError {
  readonly code: AgentErrorCode;
  /** What stands in brackets behind the text: a peer's own words in REFUSED. */
  readonly detail: string | undefined;

  constructor(code: AgentErrorCode, detail?: string, cause?: unknown) {
    const { message, retryable } = AGENT_ERRORS[code];
    super(detail === undefined ? message : `${message} (${detail})`, { retryable, cause });
    this.code = code;
    this.detail = detail;
  }
}

/**
 * The agent ended before the hub had confirmed a message. Its `code` is that of the reason, such as
 * CLOSED or DISPLACED.
 */
export class UnconfirmedError extends AgentMeshError {
  readonly code: string;
  /** Id of the message, 32 hex digits, as in the event `outgoing`. */
  readonly id: string;
  /**
   * True: it is in the store and is sent when the agent starts again; do not send it again, the
   * event `outgoing` tells what becomes of it. False: it goes with the agent, which keeps no keys
   * or no store; the hub may have it or not.
   */
  readonly kept: boolean;

  constructor({ id, kept, reason }: { id: string; kept: boolean; reason: AgentMeshError }) {
    const fate = kept
      ? `message ${id} is kept and is sent when this agent starts again: do not send it again`
      : `message ${id} was not confirmed by the hub and is not kept here: it may not arrive`;
    super(`${reason.message}; ${fate}`, { retryable: false, cause: reason });
    this.code = reason.code;
    this.id = id;
    this.kept = kept;
  }
}

/** A name leads to another identity than the one pinned: nothing is sent or taken until decided. */
export class IdentityChangedError extends AgentError {
  readonly peer: string;
  /** Fingerprint and address of the identity that is pinned. */
  readonly pinned: string;
  readonly pinnedAddress: string;
  /** Fingerprint and address of the identity shown now. */
  readonly shown: string;
  readonly shownAddress: string;

  /** Takes both aids (32 bytes), and what to do once they were compared. */
  constructor(peer: string, pinned: Uint8Array, shown: Uint8Array, then = 'call trust()') {
    const change = `'${peer}' was ${fingerprintOf(pinned)} and is now ${fingerprintOf(shown)}`;
    super('IDENTITY_CHANGED', `${change}: compare with its owner, then ${then}`);
    this.peer = peer;
    this.pinned = fingerprintOf(pinned);
    this.pinnedAddress = addressOf(pinned);
    this.shown = fingerprintOf(shown);
    this.shownAddress = addressOf(shown);
  }
}

/** A peer's identity was followed by another one: what is to be said goes there. */
export class SucceededError extends AgentError {
  /** aid of the identity that has followed. */
  readonly successor: Uint8Array;

  constructor(successor: Uint8Array) {
    super('SUCCEEDED');
    this.successor = successor;
  }
}

/** Strict trust: a peer shows a new store, which a person has to approve first. */
export class InstanceHeldError extends AgentError {
  /** The new store's instance, 16 bytes. */
  readonly instance: Uint8Array;

  constructor(instance: Uint8Array) {
    super('INSTANCE_HELD');
    this.instance = instance;
  }
}

const STORAGE_ERRORS = {
  STORE_FAILED: {
    retryable: false,
    message: 'The store failed: the agent has stopped; correct the cause and start it again',
  },
  /** Free some space, then try again. */
  STORE_FULL: {
    retryable: true,
    message: 'No space is left for the store: nothing of this change was kept',
  },
  /** Restore the store and its key file from one backup. */
  STORE_CORRUPT: {
    retryable: false,
    message: 'The store holds what this agent did not write: nothing was changed',
  },
  /** Stop the other process, or give each agent a key file of its own. */
  STORE_LOCKED: {
    retryable: true,
    message: 'The store is open in another agent: each agent needs its own',
  },
  STORE_MISMATCH: {
    retryable: false,
    message: 'The store belongs to another agent: use the store or the keys that fit',
  },
  STORE_VERSION: {
    retryable: false,
    message: 'The store was written by a newer version: upgrade this agent',
  },
  /** Create the agent again. */
  STORE_CLOSED: { retryable: false, message: 'The store is closed' },
} as const satisfies Readonly<Record<string, ErrorRule>>;

/** Stable codes of {@link StorageError}. */
export type StorageErrorCode = keyof typeof STORAGE_ERRORS;

/** The store failed or does not fit; the agent stops rather than go on in memory. */
export class StorageError extends AgentMeshError {
  readonly code: StorageErrorCode;

  /** `isFinal`: no retry can help, whatever the code says otherwise. */
  constructor(code: StorageErrorCode, detail?: string, cause?: unknown, isFinal = false) {
    const rule = STORAGE_ERRORS[code];
    const { message } = rule;
    const retryable = rule.retryable && !isFinal;
    super(detail === undefined ? message : `${message} (${detail})`, { retryable, cause });
    this.code = code;
  }
}
