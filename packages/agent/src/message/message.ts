/**
 * What a handler sees: a verified message with its sender's trust. Owns the reading of an inbox
 * row; everything in it was authenticated, which does not make its text safe to obey.
 */
import { addressOf, decodeContent, fingerprintOf, systemRandom, toHex } from '@agentmesh/crypto';
import type { JsonObject, JsonValue } from '@agentmesh/protocol';
import { decodePayload } from '@agentmesh/protocol';
import type { Duration } from '../ground/duration.js';
import { AgentError } from '../ground/errors.js';
import { readAsk } from './ask.js';
import { encodeEvidence } from './evidence.js';
import type { Evidence } from './evidence.js';
import type { InboxRow } from './inbox.js';
import { readClaims, readPayload, textOf, typeOf, valueOf } from './payload.js';
import { provenanceOf, toPrompt } from './provenance.js';
import type { PromptOptions, Provenance } from './provenance.js';
import type { Trust } from '../conversation/peer.js';

/** What `send` and `reply` resolve with, once the hub has the message durably. */
export interface SendResult {
  /** 32 hex digits, the same as the recipient's `msg.id`. */
  readonly id: string;
  /**
   * Fulfilled by the recipient's own authenticated acknowledgement: the message is in its store.
   * Rejects when the message is given up. Need not be awaited.
   */
  readonly delivered: Promise<void>;
  /**
   * Fulfilled when the recipient says, authenticated like every message, that its handlers are
   * done. Rejects with REFUSED and its reason, with FAILED when every attempt failed, or like
   * `delivered`. Waits as long as it has no handler. Need not be awaited.
   */
  readonly handled: Promise<void>;
}

/** How a message is sent. */
export interface SendOptions {
  /**
   * How long to wait for a peer that is not on the hub yet; then PEER_NOT_FOUND. Default: 0.
   */
  readonly waitForPeer?: Duration | undefined;
  /**
   * How long the message is wanted: after it, outbox and hub drop the message and say so. Default
   * 7 days, at most 30.
   */
  readonly ttl?: Duration | undefined;
  /**
   * Withdraws the message while it waits in the outbox, and stops the waiting in any case. What is
   * not committed by then never is.
   */
  readonly signal?: AbortSignal | undefined;
  /** Told the id of the message when it is committed here: it goes out whatever happens then. */
  readonly onStored?: ((id: string) => void) | undefined;
  /** How long to wait for the hub; then the same happens as with `signal`. Default: no limit. */
  readonly timeout?: Duration | undefined;
  /**
   * Whether no person has written it. Default: `true` in a handler, in a loop over messages and for
   * replies, else `false`. With `false` it begins anew: what led to it is not counted any more.
   */
  readonly auto?: boolean | undefined;
}

/** How an answer to a message is sent. */
export interface ReplyOptions {
  /** `false`: a person has written it; see `SendOptions`. */
  readonly auto?: boolean | undefined;
  /** It arrives as exactly what it is: the answer of an operation of a contract. Default: false. */
  readonly exact?: boolean | undefined;
  /**
   * Gives the answer up while it is not committed: after an unclean end nothing can be sealed
   * before the hub is reached.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Sends an answer to this message's sender. */
export type Reply = (payload: string | object, options?: ReplyOptions) => Promise<SendResult>;

/** What is known of a message when handlers get it. */
export interface Seen {
  readonly redelivered: boolean;
  readonly late?: boolean | undefined;
}

/** One received message. Handlers may see it more than once: use `id` to do things once. */
export class Message {
  /** 32 hex digits, given by the sender; the same in every repetition. */
  readonly id: string;
  /** Name of the sender, as pinned here. */
  readonly sender: string;
  /** Our own name. */
  readonly recipient: string;
  /** `am2…` address and fingerprint of the sender's identity. */
  readonly address: string;
  readonly fingerprint: string;
  /** How far the sender's identity was established when the message came. */
  readonly trust: Trust;
  /** What the sender sent, without the keys that begin with `$`. */
  readonly payload: JsonObject;
  /** The payload, or what was sent in its place where it is no object. */
  readonly value: JsonValue;
  /** `payload.type`, or "message"; `payload.text`, or "". */
  readonly type: string;
  readonly text: string;
  /** When it was sent by the sender's clock, in milliseconds since the epoch. */
  readonly timestamp: number;
  /**
   * Whether a handler may have seen it before: after a failure, a restart, or a time that the store
   * has lost.
   */
  readonly redelivered: boolean;
  /**
   * Whether a message that its sender sent later may have been handled before this one: it was
   * missing for a while, or sent before the sender changed its identity or lost its store.
   */
  readonly late: boolean;
  /** Id of the message that this one answers, or null. */
  readonly replyTo: string | null;
  /**
   * What it asks, if its sender waits for an answer; null if not. `byMs`: until when, by the clock
   * of the hub.
   */
  readonly asks: { readonly op: string | null; readonly byMs: number } | null;
  /**
   * Aborted when this run of the handlers is not wanted any more: its time limit has passed, its
   * sender has cancelled it, or the agent ends. What the handler still does then counts no more.
   */
  readonly signal: AbortSignal;
  /** What is known of the message and its sender, as data. */
  readonly provenance: Provenance;
  readonly #reply: Reply;
  readonly #row: InboxRow;
  #isDone = false;

  constructor(
    row: InboxRow,
    { redelivered, late = false }: Seen,
    reply: Reply,
    signal: AbortSignal = new AbortController().signal,
  ) {
    const content = decodeContent(row.content);
    const decoded = decodePayload(content.body);
    const { payload, replyTo } = readPayload(decoded);
    this.id = toHex(content.msgId);
    this.sender = content.fromName;
    this.recipient = content.toName;
    this.address = addressOf(row.from);
    this.fingerprint = fingerprintOf(row.from);
    this.trust = row.trust;
    this.payload = payload;
    this.value = valueOf(decoded);
    this.type = typeOf(payload);
    this.text = textOf(payload);
    this.timestamp = content.sentAtMs;
    this.redelivered = redelivered;
    this.late = late;
    this.replyTo = replyTo;
    const ask = readAsk(decoded);
    this.asks = ask === null ? null : { op: ask.op, byMs: ask.byMs };
    this.signal = signal;
    this.provenance = provenanceOf(this, row, readClaims(decoded));
    this.#reply = reply;
    this.#row = row;
  }

  /**
   * The message for a model: what is known of its sender, then its text between two marks that no
   * text can close. Put {@link PROVENANCE_NOTE} into the system prompt.
   */
  toPrompt(options?: PromptOptions): string {
    return toPrompt(this, systemRandom, options);
  }

  /**
   * What proves to anybody, with `verifyEvidence`, that this sender wrote this message to us: plain
   * JSON, to be kept or shown. It holds the whole message. Throws NO_EVIDENCE for a message to
   * oneself, and for one that an earlier version received.
   */
  evidence(): Evidence {
    const { content, proof } = this.#row;
    if (proof === null) throw new AgentError('NO_EVIDENCE');
    return encodeEvidence({ ...proof, content });
  }

  /**
   * Says that this message is handled although the loop over `messages()` that has it is about to
   * be left. Not needed where the loop goes on, nor in handlers.
   */
  done(): void {
    this.#isDone = true;
  }

  /** Whether {@link done} was called. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /**
   * Answers the sender, whatever its name leads to by now, with `replyTo` set. Resolves when the
   * answer is committed here, however long the hub takes. Rejects like `send`; with LOOP where 8
   * messages in a row have led to the present one and no person has written the answer.
   */
  reply(payload: string | object, options?: ReplyOptions): Promise<SendResult> {
    return this.#reply(payload, options);
  }
}
