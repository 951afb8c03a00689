/**
 * One commit that says something to one peer (protocol.md §2.11 P1): the next messages of its
 * session, what is kept of them, and their way to the hub. Owns that all of it is durable before a
 * byte leaves; what a message is, `compose` says.
 */
import { CONTENT_KIND, decodeContent, toHex } from '@agentmesh/crypto';
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { compose, composeAgain, goOn } from '../conversation/compose.js';
import type { Composed, Conversation, Draft } from '../conversation/compose.js';
import { isAwaiting, outgoingOf } from '../conversation/outgoing.js';
import { encodePeer } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { encodeSessionRow } from '../conversation/sessions.js';
import { encodeSentRow, fillerFor, leftMs, loadSent, trimSent } from '../conversation/sent-log.js';
import type { SentRow, Times } from '../conversation/sent-log.js';
import { UnconfirmedError } from '../ground/errors.js';
import type { Author } from '../self/author.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { StoreOperation } from '../store/store.js';
import type { Deliveries } from './deliveries.js';
import { encodeOutboxRow } from './outbox.js';
import type { OutboxEntry, OutboxForm, OutboxRow } from './outbox.js';
import type { Post, Posted } from './post.js';
import type { Retention } from './retention.js';
import type { Transmitter } from './transmitter.js';

/** What a speech works with. */
export interface SpeechParts {
  readonly context: AgentContext;
  readonly transmitter: Transmitter;
  readonly deliveries: Deliveries;
  readonly retention: Retention;
  /** A peer has something to acknowledge. */
  readonly onAwaiting: (aid: Uint8Array) => void;
}

/** A peer whose lock is held, with the transaction and the author of what is said to it. */
export interface Turn extends Conversation {
  readonly tx: StoreTransaction;
  readonly author: Author;
}

/** What becomes of a message on its way to the hub: accepted (null), or refused for good. */
type Settle = NonNullable<OutboxEntry['settle']>;

/** How a message goes on its way. */
interface Enqueued {
  readonly settle?: Settle | null | undefined;
  readonly ttlMs?: number | undefined;
  /** Since when it waits; default: now. */
  readonly sinceMs?: number | undefined;
  readonly envelopeId?: Uint8Array | undefined;
  /** Default: `first`. */
  readonly form?: OutboxForm | undefined;
}

/** A content kept of a conversation of former identities. */
export interface FormerRow {
  readonly aid: Uint8Array;
  readonly epoch: number;
  readonly number: number;
  readonly sent: SentRow;
}

/** What is said anew when it was taken back; all else is said when there is need of it. */
export const SAID_ANEW = [
  CONTENT_KIND.application,
  CONTENT_KIND.outcome,
  CONTENT_KIND.revocation,
  CONTENT_KIND.callFrames,
  CONTENT_KIND.saidBefore,
] as const;
const DEFAULT_TTL_MS = PROTOCOL_LIMITS.defaultTtlSeconds * 1000;

/** Messages to one peer that share a commit. Used once. */
export class Speech {
  readonly #parts: SpeechParts;
  readonly #tx: StoreTransaction;
  readonly #author: Author;
  #conversation: Conversation;
  readonly #entries: OutboxEntry[] = [];
  /** Tells of the commit. */
  readonly #told: (() => void)[] = [];

  constructor(parts: SpeechParts, { tx, author, peer, session }: Turn) {
    this.#parts = parts;
    this.#tx = tx;
    this.#author = author;
    this.#conversation = { peer, session };
  }

  get peer(): Peer {
    return this.#conversation.peer;
  }

  /** Whether a row is still there. */
  async holds(key: string): Promise<boolean> {
    return (await this.#tx.get(key)) !== null;
  }

  /** A message of the application, and what is written with it. Throws what `seal` throws. */
  post({ body, msgId, envelopeId: given, ttlMs, writes }: Post): Posted {
    const { context, deliveries } = this.#parts;
    const { promise: accepted, resolve, reject } = Promise.withResolvers<void>();
    // Whoever waits for it hears of it.
    accepted.catch(() => undefined);
    const composed = this.#stage({ kind: CONTENT_KIND.application, body, msgId }, ttlMs);
    if (writes !== undefined) this.write(writes(composed.peer));
    const { number, peer } = composed;
    const { aid } = peer.identity;
    const id = toHex(composed.msgId);
    const sent = { aid, peer: peer.name, epoch: peer.outgoing.epoch, number, id, ttlMs };
    const settle: Settle = (refusal, stays) => {
      if (refusal !== null && stays !== undefined) {
        return reject(new UnconfirmedError({ id, kept: context.keepsStore, reason: refusal }));
      }
      if (refusal !== null) return reject(refusal);
      deliveries.accepted(sent);
      resolve();
    };
    const envelopeId = this.#enqueue(composed, number, { settle, ttlMs, envelopeId: given });
    const promises = deliveries.expect(sent, envelopeId);
    this.#told.push(() => deliveries.queued(sent));
    this.#await(composed);
    return { result: { id, ...promises }, envelopeId, accepted };
  }

  /** A message of the application whose bytes go to the caller instead of the hub. */
  seal(body: Uint8Array): Composed {
    return this.#stage({ kind: CONTENT_KIND.application, body });
  }

  /** What an agent says on its own; what belongs to an application it has to acknowledge. */
  say(draft: Draft, settle: Settle | null = null, ttlMs?: number): void {
    const composed = this.#stage(draft, ttlMs);
    this.#enqueue(composed, composed.number, { settle, ttlMs });
    const { application, callFrames } = CONTENT_KIND;
    if (draft.kind === application || draft.kind === callFrames) this.#await(composed);
  }

  /** Written and deleted by the same commit. */
  write(operations: readonly StoreOperation[]): void {
    for (const operation of operations) this.#tx.write(operation);
  }

  /** Rows that are done with once this is committed. */
  spend(keys: readonly string[]): void {
    for (const key of keys) this.#tx.delete(key);
  }

  /**
   * Seals a kept content again, at a new position in the session, for as long as it is needed; of
   * one that nobody needs any more only its number. Returns its bytes then.
   */
  async again(number: number): Promise<number> {
    this.#goOn();
    const { aid } = this.peer.identity;
    const { numbersSince: epoch } = this.#author.meta;
    const sent = await loadSent(this.#tx, aid, { epoch, number });
    if (sent === null) return 0;
    // The hub counts whole seconds: none of it is to be there when the message is given up.
    const ttlMs = leftMs(sent, this.#times()) - 1_000;
    const isOver = ttlMs < 0;
    const content = isOver ? fillerFor(sent.content) : sent.content;
    if (isOver) {
      this.#tx.put(ROW.sent(aid, epoch, number), encodeSentRow({ ...sent, content }));
      const expired = { aid, peer: this.peer.name, epoch, number };
      this.#told.push(() => this.#parts.retention.tellExpired(expired, sent));
    }
    const sealed = composeAgain(this.#author, this.#conversation, content);
    this.#conversation = sealed;
    this.#enqueue(sealed, number, { form: 'again', ttlMs: isOver ? undefined : ttlMs });
    return sealed.wire.length;
  }

  /** Says again what was taken back: the same message under a new number. */
  anew(row: OutboxRow, settle: Settle | null): void {
    const { to, envelopeId, expiresMs, sinceMs, blob } = row;
    // Acknowledged since, as it seems: what stands in its place is kept no more.
    const isOver =
      row.epoch === this.peer.outgoing.epoch && row.number < this.peer.outgoing.keptFrom;
    if (isOver) this.#tx.delete(ROW.sent(to, row.epoch, row.number));
    const { kind: found, body, msgId } = decodeContent(blob);
    const kind = SAID_ANEW.find((each) => each === found);
    if (kind === undefined) return;
    const ttlMs = Math.max(1, expiresMs - this.#author.nowMs);
    const composed = this.#stage({ kind, body, msgId }, ttlMs);
    this.#enqueue(composed, composed.number, { settle, ttlMs, sinceMs, envelopeId });
    if (isAwaitedKind(kind)) this.#await(composed);
    this.#moved({ aid: to, id: toHex(msgId) }, composed);
  }

  /**
   * Says what was said in a conversation of former identities, in this one: the same message under
   * a number of this one. `row` is kept no more.
   */
  before(row: FormerRow, draft: Draft & { readonly msgId: Uint8Array }): void {
    const { aid, epoch, number, sent } = row;
    const { deliveries } = this.#parts;
    const ttlMs = Math.max(1, leftMs(sent, this.#times()));
    const composed = this.#stage(draft, ttlMs);
    this.#enqueue(composed, composed.number, { ttlMs });
    this.#tx.delete(ROW.sent(aid, epoch, number));
    if (isAwaitedKind(draft.kind)) this.#await(composed);
    this.#told.push(() => deliveries.takenBack({ aid, epoch, number }));
    this.#moved({ aid, id: toHex(draft.msgId) }, composed);
  }

  /** Called once all of it is committed. */
  afterwards(tell: () => void): void {
    this.#told.push(tell);
  }

  /** A message has another place from now on. */
  #moved(message: { readonly aid: Uint8Array; readonly id: string }, composed: Composed): void {
    const { peer, number } = composed;
    const place = { aid: peer.identity.aid, epoch: peer.outgoing.epoch, number };
    this.#told.push(() => this.#parts.deliveries.saidAnew(message, place));
  }

  /** One commit for session, peer, kept contents and outbox; only then anything is sent. */
  async commit(): Promise<void> {
    const { transmitter, retention } = this.#parts;
    const { peer, session } = this.#conversation;
    const { aid } = peer.identity;
    const tx = this.#tx;
    const outgoing = outgoingOf(peer, this.#author.meta.numbersSince);
    const trimmed = await trimSent(tx, aid, outgoing, this.#times());
    tx.put(ROW.session(session.sid), encodeSessionRow(session));
    tx.put(ROW.peer(aid), encodePeer({ ...peer, outgoing: trimmed.outgoing }));
    if (peer.owed === 0) tx.delete(ROW.receipt(aid));
    if (isAwaiting(outgoing) && !isAwaiting(trimmed.outgoing)) tx.delete(ROW.unacked(aid));
    await tx.commit();
    for (const tell of this.#told) tell();
    transmitter.add(this.#entries);
    if (trimmed.outgoing !== outgoing) retention.tellDropped(peer, trimmed);
  }

  /** A draft, behind what a new run of our store has to say first. */
  #stage(draft: Draft, ttlMs = DEFAULT_TTL_MS): Composed {
    this.#goOn();
    return this.#put(draft, ttlMs);
  }

  #times(): Times {
    const { nowMs: ourMs } = this.#author;
    return { ourMs, hubMs: this.#parts.context.hubClock.toHub(ourMs) };
  }

  #goOn(): void {
    const { conversation, word } = goOn(this.#author, this.#conversation);
    this.#conversation = conversation;
    if (word === null) return;
    const composed = this.#put(word, DEFAULT_TTL_MS);
    this.#enqueue(composed, composed.number);
  }

  #put(draft: Draft, ttlMs: number): Composed {
    const author = this.#author;
    const { numbersSince: epoch } = author.meta;
    // What an earlier identity of ours has said is settled apart: see `behind`.
    if (this.peer.outgoing.epoch !== epoch) this.#tx.delete(ROW.unacked(this.peer.identity.aid));
    const composed = compose(author, this.#conversation, draft);
    const { content, number, peer } = composed;
    const before = outgoingOf(peer, epoch).total - content.length;
    const { ourMs: sentMs, hubMs: sentHubMs } = this.#times();
    const sent = encodeSentRow({ before, sentMs, sentHubMs, ttlMs, content });
    this.#tx.put(ROW.sent(peer.identity.aid, epoch, number), sent);
    this.#conversation = composed;
    return composed;
  }

  /** The peer has to acknowledge the last message; that it has to is known to the next run too. */
  #await({ peer, session }: Conversation): void {
    const { outgoing } = peer;
    const { aid } = peer.identity;
    if (!isAwaiting(outgoing)) this.#tx.put(ROW.unacked(aid), new Uint8Array());
    this.#told.push(() => this.#parts.onAwaiting(aid));
    const wanted = { ...outgoing, wanted: outgoing.next - 1 };
    this.#conversation = { peer: { ...peer, outgoing: wanted }, session };
  }

  /** The outbox row of a finished message; returns the id of its envelope. */
  #enqueue(
    { peer, wire }: Conversation & { readonly wire: Uint8Array },
    number: number,
    options: Enqueued = {},
  ): Uint8Array {
    const { settle = null, ttlMs = DEFAULT_TTL_MS } = options;
    const to = peer.identity.aid;
    const envelopeId = options.envelopeId ?? this.#author.random(16);
    const { nowMs } = this.#author;
    const { sinceMs = nowMs } = options;
    const expiresMs = nowMs + ttlMs;
    const key = this.#parts.context.logs.nextKey('outbox');
    const { numbersSince: epoch, boot } = this.#author.meta;
    const { form = 'first' } = options;
    const row = { to, envelopeId, epoch, number, boot, form, expiresMs, sinceMs, blob: wire };
    this.#tx.put(key, encodeOutboxRow(row));
    const { length: bytes } = wire;
    this.#entries.push({ key, to, envelopeId, bytes, expiresMs, sinceMs, settle });
    return envelopeId;
  }
}

/** Whether the peer has to acknowledge it. */
function isAwaitedKind(kind: number): boolean {
  const { application, callFrames, saidBefore } = CONTENT_KIND;
  return kind === application || kind === callFrames || kind === saidBefore;
}
