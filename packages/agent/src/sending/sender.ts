/**
 * From "say this to him" to committed rows: the peer's line, his session, the next numbers, one
 * transaction (protocol.md §2.11 P1). Owns the order of what is said to one peer; the pure part is
 * `compose`, finding a session is `conversations`, sending is `transmitter`'s.
 */
import { AgentMeshError, CONTENT_KIND, encodeSession, toHex } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { receiptBody } from '../conversation/body.js';
import { compose, composeAgain, goOn } from '../conversation/compose.js';
import type { Composed, Conversation, Draft } from '../conversation/compose.js';
import type { Author } from '../self/author.js';
import type { SessionFinder } from '../peers/session-finder.js';
import type { Deliveries } from './deliveries.js';
import { AgentError, IdentityChangedError, SucceededError } from '../ground/errors.js';
import { loadPeer } from '../conversation/handshake.js';
import type { Introductions } from '../peers/introductions.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { encodeOutboxRow } from './outbox.js';
import type { OutboxRow } from './outbox.js';
import { encodePeer, isAwaiting, outgoingOf } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { aidOfKey, ROW } from '../store/row-keys.js';
import {
  applicationId,
  encodeSentRow,
  fillerFor,
  forgetSent,
  loadSent,
  trimSent,
} from '../conversation/sent-log.js';
import type { Trimmed } from '../conversation/sent-log.js';
import { rowsUnder } from '../store/row-pages.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { OutboxEntry, Transmitter } from './transmitter.js';
import { assertUsable } from '../conversation/trust.js';

/** Something to be said to a peer, and what becomes of it. */
export interface Utterance {
  /** Made when its turn comes; null when there is nothing to say any more. */
  readonly draft: (peer: Peer) => Draft | null;
  /** Rows that are done with once this is committed. */
  readonly spends?: readonly string[] | undefined;
  /** `hand`: the bytes go to the caller instead of the hub. */
  readonly route: 'hub' | 'hand';
  /** Committed here, with the id of its envelope if it goes to the hub. */
  readonly committed: (composed: Composed, envelopeId: Uint8Array | null) => void;
  /** Accepted by the hub (null), refused for good, or dropped because there was nothing to say. */
  readonly settled: (refusal: AgentMeshError | null) => void;
  /** Nothing was committed. */
  readonly failed: (error: unknown) => void;
}

/** A transaction that says something, and what goes on its way once it is committed. */
interface Speech {
  readonly tx: StoreTransaction;
  readonly author: Author;
  readonly entries: OutboxEntry[];
  /** Calls that tell of the commit. */
  readonly told: (() => void)[];
}

/** The mouth of one agent. */
export class Sender {
  readonly #context: AgentContext;
  readonly #introductions: Introductions;
  readonly #sessions: SessionFinder;
  readonly #transmitter: Transmitter;
  readonly #deliveries: Deliveries;
  readonly #onAwaiting: (aid: Uint8Array) => void;
  /** By aid in hex: what waits to be said. */
  readonly #lines = new Map<string, Utterance[]>();

  constructor(parts: {
    readonly context: AgentContext;
    readonly introductions: Introductions;
    readonly sessions: SessionFinder;
    readonly transmitter: Transmitter;
    readonly deliveries: Deliveries;
    /** A peer has something to acknowledge. */
    readonly onAwaiting: (aid: Uint8Array) => void;
  }) {
    this.#context = parts.context;
    this.#introductions = parts.introductions;
    this.#sessions = parts.sessions;
    this.#transmitter = parts.transmitter;
    this.#deliveries = parts.deliveries;
    this.#onAwaiting = parts.onAwaiting;
  }

  /** Says something after all that was to be said to this peer before. */
  say(aid: Uint8Array, utterance: Utterance): void {
    const key = toHex(aid);
    const line = this.#lines.get(key);
    if (line !== undefined) {
      line.push(utterance);
      return;
    }
    const first = [utterance];
    this.#lines.set(key, first);
    void this.#speakAll(key, aid, first);
  }

  /** Says something for the agent itself; failures are told by the next thing that is said. */
  tell(aid: Uint8Array, draft: Utterance['draft']): Promise<void> {
    return new Promise((resolve) => {
      const failed = (error: unknown): void => {
        const code = error instanceof AgentMeshError ? error.code : 'INTERNAL';
        this.#context.log.debug('control message not sent', { code });
        resolve();
      };
      const done = (): void => resolve();
      this.say(aid, { draft, route: 'hub', committed: done, settled: done, failed });
    });
  }

  /** Finds or begins a session with a peer, or with the one who has followed him. */
  reach(aid: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const settled = (refusal: AgentMeshError | null): void =>
        refusal === null ? resolve() : reject(refusal);
      const nothing = (): null => null;
      const committed = (): void => {};
      this.say(aid, { draft: nothing, route: 'hub', committed, settled, failed: reject });
    });
  }

  /**
   * Answers a retry request: the same contents, sealed again. What is not kept any more is settled
   * by a receipt that names the floor.
   */
  async answerRetry(aid: Uint8Array, ranges: readonly SequenceRange[]): Promise<void> {
    const { identityLock, peers } = this.#context;
    await peers.run(toHex(aid), () => identityLock.shared(() => this.#sayAgain(aid, ranges)));
  }

  async #sayAgain(aid: Uint8Array, ranges: readonly SequenceRange[]): Promise<void> {
    const speech = this.#speech();
    const peer = await loadPeer(speech.tx, aid);
    if (peer === null || peer.succeededBy !== null) return;
    assertUsable(peer);
    let conversation = await this.#sessions.current(speech.tx, peer);
    if (conversation === null) return;
    const { keptFrom, next } = outgoingOf(peer, speech.author.meta.numbersSince);
    if (ranges.some(({ from }) => from < keptFrom)) {
      const draft = { kind: CONTENT_KIND.receipt, body: receiptBody(keptFrom - 1) };
      conversation = this.#stage(speech, conversation, draft);
    }
    const numbers = numbersIn(ranges, keptFrom, next);
    for (const number of numbers) {
      conversation = await this.#again(speech, conversation, number);
    }
    // Beyond one answer's portion: by a newer number the peer sees what is missing, and asks.
    if (numbers.length >= AGENT_LIMITS.retryMessages) {
      const draft = { kind: CONTENT_KIND.nudge, body: new Uint8Array() };
      conversation = this.#stage(speech, conversation, draft);
    }
    await this.#commit(speech, conversation);
  }

  /** Gives up what has waited for too long, also where nothing more is said. */
  async giveUpOld(): Promise<void> {
    const waiting = new Map(this.#deliveries.awaited().map((aid) => [toHex(aid), aid]));
    for await (const { key } of rowsUnder(this.#context.store, 'unacked')) {
      const aid = aidOfKey(key);
      waiting.set(toHex(aid), aid);
    }
    for (const [line, aid] of waiting) {
      await this.#context.peers.run(line, () => this.#giveUpOldOf(aid));
    }
    this.#deliveries.expire(this.#context.self.meta.numbersSince, AGENT_LIMITS.keptMs, givenUp());
  }

  async #giveUpOldOf(aid: Uint8Array): Promise<void> {
    const tx = this.#context.transaction();
    const peer = await loadPeer(tx, aid);
    if (peer === null) return;
    const trimmed = await trimSent(tx, aid, peer.outgoing, this.#context.runtime.now());
    const { outgoing } = trimmed;
    if (outgoing === peer.outgoing) return;
    tx.put(ROW.peer(aid), encodePeer({ ...peer, outgoing }));
    if (!isAwaiting(outgoing)) tx.delete(ROW.unacked(aid));
    await tx.commit();
    this.#tellDropped(peer, trimmed);
  }

  /** The hub refused a message for good: its number stays taken, but by nothing. */
  async replaceRefused(row: OutboxRow, error: AgentMeshError): Promise<void> {
    const { to: aid, epoch, number } = row;
    const earlier = await this.#context.peers.run(toHex(aid), async () => {
      const tx = this.#context.transaction();
      const [sent, peer] = [await loadSent(tx, aid, row), await loadPeer(tx, aid)];
      if (sent === null) return null;
      const content = fillerFor(sent.content, this.#context.runtime.random);
      tx.put(ROW.sent(aid, epoch, number), encodeSentRow({ ...sent, content }));
      await tx.commit();
      const id = applicationId(sent);
      return id === null || peer === null ? null : { aid, peer: peer.name, epoch, number, id };
    });
    const said = this.#deliveries.byPlace(aid, epoch, number);
    if (said !== undefined) this.#deliveries.failed(said, 'rejected', error);
    else if (earlier !== null) this.#deliveries.failedEarlier(earlier, 'rejected', error);
  }

  /** Says one thing in a transaction begun elsewhere, and commits it. The peer's lock is held. */
  async sayIn(
    { tx, author }: Pick<Speech, 'tx' | 'author'>,
    conversation: Conversation,
    draft: Draft,
  ): Promise<void> {
    const speech: Speech = { tx, author, entries: [], told: [] };
    await this.#commit(speech, this.#stage(speech, conversation, draft));
  }

  async #speakAll(key: string, aid: Uint8Array, line: Utterance[]): Promise<void> {
    while (line.length > 0) {
      const utterances = line.splice(0, AGENT_LIMITS.commitMessages);
      try {
        await this.#speak(aid, utterances);
      } catch (error) {
        await this.#divert(utterances, error);
      }
    }
    this.#lines.delete(key);
  }

  /** To the identity that has followed the peer's, if that is why; else nothing was said. */
  async #divert(utterances: readonly Utterance[], error: unknown): Promise<void> {
    try {
      const successor = await this.#successorBehind(error);
      for (const utterance of utterances) {
        if (successor === null) utterance.failed(error);
        else this.say(successor, utterance);
      }
    } catch (reason) {
      for (const { failed } of utterances) failed(reason);
    }
  }

  async #successorBehind(error: unknown): Promise<Uint8Array | null> {
    if (error instanceof SucceededError) return error.successor;
    return error instanceof IdentityChangedError ? this.#introductions.decide(error) : null;
  }

  /** Several utterances to one peer with one commit, in a session found or begun for them. */
  async #speak(aid: Uint8Array, utterances: readonly Utterance[]): Promise<void> {
    await this.#sessions.hold(aid, async (tx, author, found) => {
      const speech: Speech = { tx, author, entries: [], told: [] };
      let conversation = found;
      for (const utterance of utterances) {
        conversation = this.#utter(speech, conversation, utterance);
      }
      await this.#commit(speech, conversation);
    });
  }

  #utter(speech: Speech, conversation: Conversation, utterance: Utterance): Conversation {
    const draft = utterance.draft(conversation.peer);
    if (draft === null) {
      speech.told.push(() => utterance.settled(null));
      return conversation;
    }
    try {
      const said = this.#stage(speech, conversation, draft, utterance);
      for (const key of utterance.spends ?? []) speech.tx.delete(key);
      return said;
    } catch (error) {
      // This one cannot be said, such as one that is too large; the others can.
      speech.told.push(() => utterance.failed(error));
      return conversation;
    }
  }

  #speech(): Speech {
    const tx = this.#context.transaction();
    return { tx, author: this.#context.self.author(), entries: [], told: [] };
  }

  /** A draft, behind what a new run of our store has to say first. */
  #stage(
    speech: Speech,
    conversation: Conversation,
    draft: Draft,
    utterance?: Utterance,
  ): Conversation {
    return this.#put(speech, this.#goOn(speech, conversation), draft, utterance);
  }

  #goOn(speech: Speech, before: Conversation): Conversation {
    const { conversation, word } = goOn(speech.author, before);
    return word === null ? conversation : this.#put(speech, conversation, word);
  }

  #put(
    speech: Speech,
    conversation: Conversation,
    draft: Draft,
    utterance?: Utterance,
  ): Conversation {
    const { tx, author } = speech;
    const { numbersSince: epoch } = author.meta;
    const { peer: before } = conversation;
    // Contents of an earlier epoch are not said again.
    if (before.outgoing.epoch !== epoch) forgetSent(tx, before);
    const composed = compose(author, conversation, draft);
    const { content, number, peer } = composed;
    const bytesBefore = outgoingOf(peer, epoch).total - content.length;
    const sent = encodeSentRow({ before: bytesBefore, sentMs: author.nowMs, content });
    tx.put(ROW.sent(peer.identity.aid, epoch, number), sent);
    const byHand = utterance?.route === 'hand';
    const settle = utterance?.settled ?? null;
    const envelopeId = byHand ? null : this.#enqueue(speech, composed, { number, settle });
    speech.told.push(() => utterance?.committed(composed, envelopeId));
    return byHand || draft.kind !== CONTENT_KIND.application
      ? composed
      : this.#await(speech, composed);
  }

  /** The peer has to acknowledge the last message; that he has to is known to the next run too. */
  #await({ tx, told }: Speech, { peer, session }: Conversation): Conversation {
    const { aid } = peer.identity;
    const { outgoing } = peer;
    if (!isAwaiting(outgoing)) tx.put(ROW.unacked(aid), new Uint8Array());
    told.push(() => this.#onAwaiting(aid));
    return { peer: { ...peer, outgoing: { ...outgoing, wanted: outgoing.next - 1 } }, session };
  }

  /** Seals a kept content again, at a new place in the session. */
  async #again(speech: Speech, before: Conversation, number: number): Promise<Conversation> {
    const { tx, author } = speech;
    const conversation = this.#goOn(speech, before);
    const { numbersSince: epoch } = author.meta;
    const sent = await loadSent(tx, conversation.peer.identity.aid, { epoch, number });
    if (sent === null) return conversation;
    const sealed = composeAgain(author, conversation, sent.content);
    this.#enqueue(speech, sealed, { number, settle: null });
    return sealed;
  }

  /** The outbox row of a finished message; returns the id of its envelope. */
  #enqueue(
    { tx, author, entries }: Speech,
    { peer, wire }: Conversation & { readonly wire: Uint8Array },
    { number, settle }: { readonly number: number; readonly settle: OutboxEntry['settle'] },
  ): Uint8Array {
    const to = peer.identity.aid;
    const envelopeId = author.random(16);
    const key = this.#context.logs.nextKey('outbox');
    const { numbersSince: epoch } = author.meta;
    tx.put(key, encodeOutboxRow({ to, envelopeId, epoch, number, blob: wire }));
    entries.push({ key, to, envelopeId, bytes: wire.length, settle });
    return envelopeId;
  }

  /** One commit for session, peer, kept contents and outbox; only then anything is sent. */
  async #commit(speech: Speech, { peer, session }: Conversation): Promise<void> {
    const { tx, author, entries, told } = speech;
    const { aid } = peer.identity;
    const outgoing = outgoingOf(peer, author.meta.numbersSince);
    const trimmed = await trimSent(tx, aid, outgoing, author.nowMs);
    tx.put(ROW.session(session.sid), encodeSession(session));
    tx.put(ROW.peer(aid), encodePeer({ ...peer, outgoing: trimmed.outgoing }));
    if (peer.owed === 0) tx.delete(ROW.receipt(aid));
    if (isAwaiting(outgoing) && !isAwaiting(trimmed.outgoing)) tx.delete(ROW.unacked(aid));
    await tx.commit();
    this.#transmitter.add(entries);
    for (const tell of told) tell();
    if (trimmed.outgoing !== outgoing) this.#tellDropped(peer, trimmed);
  }

  /** Whoever waits in this run, and for messages of earlier runs whoever listens. */
  #tellDropped({ identity, name }: Peer, { outgoing, dropped }: Trimmed): void {
    const { aid } = identity;
    const { epoch, keptFrom } = outgoing;
    const error = givenUp();
    const earlier = dropped.filter(({ number }) => !this.#deliveries.isAwaited(aid, epoch, number));
    this.#deliveries.dropped({ aid, epoch }, keptFrom, error);
    for (const message of earlier) {
      this.#deliveries.failedEarlier({ aid, peer: name, epoch, ...message }, 'expired', error);
    }
  }
}

function givenUp(): AgentError {
  return new AgentError('UNDELIVERED', 'given up after 7 days or too many others');
}

/** Numbers of the ranges that are kept, lowest first, at most as many as one answer may have. */
function numbersIn(ranges: readonly SequenceRange[], keptFrom: number, next: number): number[] {
  const numbers: number[] = [];
  for (const { from, to } of ranges) {
    const last = Math.min(to, next - 1);
    for (let number = Math.max(from, keptFrom); number <= last; number++) {
      if (numbers.length >= AGENT_LIMITS.retryMessages) return numbers;
      numbers.push(number);
    }
  }
  return numbers;
}
