/**
 * What a received message leaves here with its commit: a row for the handlers, the end of a request
 * of ours, a word to its sender, or nothing. Owns this choice; handlers are `dispatcher`'s,
 * requests of ours `calls`'.
 */
import { CALL_FRAME, toHex } from '@agentmesh/crypto';
import type { OutgoingCalls } from '../calls/outgoing-calls.js';
import type { RequestServer } from '../calls/request-server.js';
import type { AgentContext } from '../agent-context.js';
import type { Received } from '../conversation/judge.js';
import { aidsOf } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { AgentError } from '../ground/errors.js';
import { readAsk } from '../message/ask.js';
import { encodeInboxRow } from '../message/inbox.js';
import type { InboxRow } from '../message/inbox.js';
import { replyToOf } from '../message/payload.js';
import type { Ending, Owed } from '../owed/owed.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { Dispatcher } from './dispatcher.js';
import type { Waiting } from '../handling/waiting-messages.js';

const UNSUPPORTED: Ending = { state: 'unsupported', reason: '' };
const CANCELLED: Ending = { state: 'cancelled', reason: '' };
/** Requests that were cancelled before they came: a retry may turn the order. */
const EARLY = 1_024;

/** The door behind the receiver. */
export class Intake {
  readonly #context: AgentContext;
  readonly #dispatcher: Dispatcher;
  readonly #owed: Owed;
  readonly #calls: OutgoingCalls;
  readonly #server: RequestServer;
  /** Requests that are being cancelled with what told it. */
  readonly #cancelled = new Set<Waiting>();
  /** By sender and id. */
  readonly #early = new Set<string>();
  /** Ids of requests that are being committed. */
  readonly #fresh = new Set<string>();

  constructor(parts: {
    readonly context: AgentContext;
    readonly dispatcher: Dispatcher;
    readonly owed: Owed;
    readonly calls: OutgoingCalls;
    readonly server: RequestServer;
  }) {
    this.#context = parts.context;
    this.#dispatcher = parts.dispatcher;
    this.#owed = parts.owed;
    this.#calls = parts.calls;
    this.#server = parts.server;
  }

  /**
   * Writes what a message leaves; returns the key of its inbox row, null if no handler sees it.
   * Throws INBOX_FULL where its sender has filled its share, or others of it wait for room
   * (`isBehind`) and are missing before it.
   */
  stage(
    tx: StoreTransaction,
    received: Received,
    { row, isBehind }: { readonly row: InboxRow; readonly isBehind: boolean },
  ): string | null {
    const { body, repeated } = received;
    if (repeated || this.#calls.stage(tx, received)) return null;
    if (body.kind === 'callFrames') this.#stageCancels(tx, received);
    if (body.kind === 'unsupported') this.#stageEnding(tx, row, UNSUPPORTED);
    if (body.kind !== 'application') return null;
    if (this.#early.delete(earlyKey(row.from, received.content.msgId))) {
      this.#stageEnding(tx, row, CANCELLED);
      return null;
    }
    const request = requestIn(received);
    const isNext = request !== null || received.mark >= received.content.convSeq;
    if (isBehind && !isNext) throw new AgentError('INBOX_FULL');
    this.#dispatcher.reserve(row);
    const key = this.#context.logs.nextKey('inbox');
    tx.put(key, encodeInboxRow(row));
    if (request !== null) this.#fresh.add(request);
    return key;
  }

  /** What was staged is committed. */
  follow(received: Received): void {
    const { body, repeated, peer } = received;
    if (repeated) return;
    const request = requestIn(received);
    if (request !== null) this.#fresh.delete(request);
    this.#calls.follow(received);
    if (body.kind === 'callFrames') {
      for (const frame of body.frames) this.#server.streams.onCredit(aidsOf(peer), frame);
    }
    if (body.kind === 'unsupported' || body.kind === 'callFrames') {
      this.#owed.outcomesDue(peer.identity.aid);
    }
    const cancelled = [...this.#cancelled];
    this.#cancelled.clear();
    for (const item of cancelled) this.#forget(item);
  }

  #forget(item: Waiting): void {
    const { request } = item.entry;
    this.#dispatcher.cancel(item, new AgentError('CANCELLED'));
    // A store that fails has stopped the agent and says why.
    if (request !== null) void this.#server.forget(request).catch(() => undefined);
  }

  #stageEnding(tx: StoreTransaction, row: InboxRow, ending: Ending): void {
    const key = this.#context.logs.nextKey('inbox');
    for (const owed of this.#owed.rowsOf(key, row, ending)) tx.write(owed);
  }

  /** Its row goes with the commit that tells it, so a crash does not bring it back. */
  #stageCancels(tx: StoreTransaction, { body, peer }: Received): void {
    if (body.kind !== 'callFrames') return;
    for (const { what, callId } of body.frames) {
      if (what !== CALL_FRAME.cancel) continue;
      const id = toHex(callId);
      const item = this.#find(peer, id);
      // It came with the same commit: judged again behind it, this finds it.
      if (item === null && this.#fresh.delete(id)) throw new AgentError('CANCELLED', 'not yet');
      if (item === null) this.#remember(peer, callId);
      else if (!this.#cancelled.has(item)) this.#stageCancel(tx, item);
    }
  }

  #find(peer: Peer, id: string): Waiting | null {
    for (const aid of aidsOf(peer)) {
      const item = this.#dispatcher.findRequest(aid, id);
      if (item !== null) return item;
    }
    return null;
  }

  #stageCancel(tx: StoreTransaction, item: Waiting): void {
    const { key, row } = item.entry;
    this.#cancelled.add(item);
    tx.delete(key);
    for (const owed of this.#owed.rowsOf(key, row, CANCELLED)) tx.write(owed);
  }

  #remember(peer: Peer, callId: Uint8Array): void {
    for (const aid of aidsOf(peer)) this.#early.add(earlyKey(aid, callId));
    for (const oldest of this.#early) {
      if (this.#early.size <= EARLY) break;
      this.#early.delete(oldest);
    }
  }
}

/**
 * Whether handlers take it in its order, for all that can be seen of it: a request waits for
 * nothing before it, nor does an answer.
 */
export function hasItsTurn(received: Received): boolean {
  const { body, repeated } = received;
  if (body.kind !== 'application' || repeated) return false;
  return requestIn(received) === null && replyToOf(body.payload) === null;
}

/** Id of a message that is a request; null for others. */
function requestIn({ body, content }: Received): string | null {
  const isRequest = body.kind === 'application' && readAsk(body.payload) !== null;
  return isRequest ? toHex(content.msgId) : null;
}

function earlyKey(from: Uint8Array, msgId: Uint8Array): string {
  return `${toHex(from)}/${toHex(msgId)}`;
}
