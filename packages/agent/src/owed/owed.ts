/**
 * What an agent owes to its peers and asks of them again (protocol.md §2.10): receipts, requests
 * for missing messages, nudges for its own that nobody acknowledges, and the outcomes of messages
 * that it handled. Owns when each is said; a row of the store stands for each, so that a restart
 * forgets none. What is due is decided when the time comes, from the peer's row.
 */
import {
  AgentMeshError,
  CONTENT_KIND,
  decodeContent,
  encodeRetry,
  fromHex,
  toHex,
} from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { receiptBody } from '../conversation/body.js';
import type { Body } from '../conversation/body.js';
import type { Draft } from '../conversation/compose.js';
import { loadPeer } from '../conversation/handshake.js';
import { decodeOutcomes, encodeOutcomes, OUTCOMES } from '../conversation/outcome.js';
import type { Outcome } from '../conversation/outcome.js';
import { isAwaiting, outgoingOf } from '../conversation/outgoing.js';
import { activeOf } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { holesOf } from '../conversation/run.js';
import { conditionOf } from '../conversation/sessions.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { InboxRow } from '../message/inbox.js';
import type { Deliveries } from '../sending/deliveries.js';
import type { Sender } from '../sending/sender.js';
import { aidOfKey, inboxOrderOf, orderOf, outcomesOf, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';
import type { StoreOperation, StoreRow } from '../store/store.js';
import { Debt } from './debt.js';
import type { Next } from './debt.js';

/** How a message ended here. */
export type Ending = Omit<Outcome, 'msgId'>;

/** What became of outcomes: the hub has them, they stay owed, or nobody is there to be told. */
type Telling = 'told' | 'owed' | 'void';

interface OwedParts {
  readonly context: AgentContext;
  readonly sender: Sender;
  readonly sweeper: RowSweeper;
  readonly deliveries: Deliveries;
  /** Whether messages of this peer are here or will come again by themselves. */
  readonly isComing: (aid: Uint8Array) => boolean;
}

/** All that one agent owes. */
export class Owed {
  readonly #context: AgentContext;
  readonly #parts: OwedParts;
  readonly #receipts: Debt;
  readonly #gaps: Debt;
  readonly #nudges: Debt;
  /** Nudges that do not wait for their time: the hub says that it has given up. */
  readonly #hints: Debt;
  readonly #outcomes: Debt;
  /** By aid in hex: how many messages were missing when they were asked for last. */
  readonly #missing = new Map<string, number>();
  #isRunning = false;

  constructor(parts: OwedParts) {
    this.#context = parts.context;
    this.#parts = parts;
    const { receiptMs, gapMs, gapAttempts, nudgeMs, nudgeAttempts, outcomeMs } = AGENT_LIMITS;
    const debt = (firstMs: number, attempts: number, say: (aid: Uint8Array) => Promise<Next>) =>
      new Debt(parts.context.runtime, { firstMs, attempts, say });
    this.#receipts = debt(receiptMs, 1, (aid) => this.#sendReceipt(aid));
    this.#gaps = debt(gapMs, gapAttempts, (aid) => this.#askFor(aid));
    this.#nudges = debt(nudgeMs, nudgeAttempts, (aid) => this.#nudge(aid));
    this.#hints = debt(gapMs, 1, async (aid) => {
      await this.#nudge(aid);
      return 'done';
    });
    const say = (aid: Uint8Array): Promise<Next> => this.#tellOutcomes(aid);
    const terms = { firstMs: outcomeMs, attempts: 1, leads: true, say };
    this.#outcomes = new Debt(parts.context.runtime, terms);
  }

  /** Takes up what an earlier run owed, what it missed, and what it waited for. */
  async load(): Promise<void> {
    const { store, logs } = this.#context;
    this.#isRunning = true;
    for (const debt of this.#all()) debt.start();
    for await (const { key } of rowsUnder(store, 'receipt')) this.#receipts.due(aidOfKey(key));
    for await (const { key } of rowsUnder(store, 'gap')) this.#gaps.due(aidOfKey(key));
    for await (const { key } of rowsUnder(store, 'unacked')) this.#nudges.due(aidOfKey(key));
    for await (const { key } of rowsUnder(store, 'outcome')) {
      // A new message with the key of this one's would overwrite its outcome.
      logs.skipTo('inbox', inboxOrderOf(key));
      this.#outcomes.due(fromHex(key.split('/')[1] ?? ''));
    }
  }

  /** The hub may have lost what it had accepted: all are asked soon for what they have. */
  async remindAll(): Promise<void> {
    for await (const { key } of rowsUnder(this.#context.store, 'unacked')) {
      this.#nudges.dueSoon(aidOfKey(key), AGENT_LIMITS.gapMs);
    }
  }

  /** A message of this peer was committed. */
  after(peer: Peer, kind: Body['kind']): void {
    const { aid } = peer.identity;
    const { since, numbersSince } = this.#context.self.meta;
    if (peer.owed >= AGENT_LIMITS.receiptMessages) void this.#receipts.pay(aid);
    else if (peer.owed > 0) this.#receipts.due(aid);
    this.#lookForGaps(aid, holesOf(peer, since), kind);
    if (!isAwaiting(outgoingOf(peer, numbersSince))) this.#nudges.forgive(aid);
  }

  /** Something was said to this peer that it has to acknowledge. */
  awaits(aid: Uint8Array): void {
    this.#nudges.dueAnew(aid);
  }

  /** The hub has given up a message to this peer: whether it is there only the peer can say. */
  givenUp(aid: Uint8Array): void {
    this.#hints.due(aid);
  }

  /** What fills holes gets through: the rest is asked for as soon as a portion is there. */
  #lookForGaps(aid: Uint8Array, holes: readonly SequenceRange[], kind: Body['kind']): void {
    const key = toHex(aid);
    if (holes.length === 0) {
      this.#missing.delete(key);
      return this.#gaps.forgive(aid);
    }
    const before = this.#missing.get(key);
    // A nudge ends a portion.
    const isProgress = kind === 'nudge' && before !== undefined && countOf(holes) < before;
    if (isProgress) this.#gaps.dueSoon(aid, 0);
    else this.#gaps.due(aid);
  }

  /** Whether outcomes are about to be told to this peer. */
  owesTo(aid: Uint8Array): boolean {
    return this.#outcomes.has(aid);
  }

  /** Nothing is owed to this peer any more, and nothing is asked of it. */
  forgive(aid: Uint8Array): void {
    for (const debt of this.#all()) debt.forgive(aid);
    this.#missing.delete(toHex(aid));
  }

  /** A peer asks for messages again. */
  answerRetry(aid: Uint8Array, ranges: readonly SequenceRange[]): void {
    if (!this.#isRunning) return;
    this.#parts.sender.answerRetry(aid, ranges).catch((error: unknown) => {
      this.#context.log.warn('retry not answered', { error: nameOf(error) });
    });
  }

  /** What is to be written with the removal of this message from the inbox. */
  rowsOf(inboxKey: string, row: InboxRow, ending: Ending): readonly StoreOperation[] {
    if (this.#context.self.isOurs(row.from)) return [];
    const put = ROW.outcome(row.from, orderOf(inboxKey));
    return [{ put, value: encodeOutcomes([outcomeOf(row, ending)]) }];
  }

  /** Outcomes for this peer were written. */
  outcomesDue(aid: Uint8Array): void {
    this.#outcomes.due(aid);
  }

  /** That was written, or will be. */
  ended(row: InboxRow, ending: Ending): void {
    const { name, self } = this.#context;
    if (!self.isOurs(row.from)) return this.#outcomes.due(row.from);
    this.#parts.deliveries.ended([row.from], name, outcomeOf(row, ending));
  }

  /** Says every outcome and every receipt that is owed now: before the agent goes. */
  async flush(): Promise<void> {
    await this.#outcomes.flush();
    await this.#receipts.flush();
  }

  stop(): void {
    this.#isRunning = false;
    for (const debt of this.#all()) debt.stop();
  }

  #all(): readonly Debt[] {
    return [this.#receipts, this.#gaps, this.#nudges, this.#hints, this.#outcomes];
  }

  /** An empty receipt acknowledges by its content, and turns the ratchet. */
  async #sendReceipt(aid: Uint8Array): Promise<Next> {
    await this.#parts.sender.tell(aid, (peer) =>
      peer.owed === 0 ? null : { kind: CONTENT_KIND.receipt, body: receiptBody(null) },
    );
    return 'done';
  }

  /**
   * Asked again in any case: what ends it is that the holes are filled. Where some were filled
   * since it was asked for last, after the first wait again. While the peer's messages wait for
   * room nothing is missing yet.
   */
  async #askFor(aid: Uint8Array): Promise<Next> {
    if (this.#parts.isComing(aid)) return 'more';
    const before = this.#missing.get(toHex(aid)) ?? 0;
    await this.#parts.sender.tell(aid, (peer) => this.#requestOf(peer));
    const now = this.#missing.get(toHex(aid)) ?? 0;
    return now < before ? 'more' : 'again';
  }

  #requestOf(peer: Peer): Draft | null {
    const ranges = holesOf(peer, this.#context.self.meta.since);
    if (ranges.length === 0) return null;
    this.#missing.set(toHex(peer.identity.aid), countOf(ranges));
    this.#context.events.emit('gap', { peer: peer.name, state: 'asked', ranges });
    return { kind: CONTENT_KIND.retry, body: encodeRetry(ranges) };
  }

  /**
   * The peer answers with a receipt, asks for what it misses, or begins anew if it cannot read it:
   * its store may be lost, and with it that it has to acknowledge anything.
   */
  async #nudge(aid: Uint8Array): Promise<Next> {
    const isDue = await this.#isAwaiting(aid).catch((error: unknown) => {
      // The store has stopped the agent and says so itself, or the agent is being closed.
      this.#context.log.debug('nobody nudged', { error: nameOf(error) });
      return false;
    });
    if (isDue) await this.#parts.sender.tell(aid, (peer) => this.#nudgeFor(peer));
    return isDue ? 'again' : 'done';
  }

  /** Asked first: for nothing, or for a message as old as its session, none is begun. */
  async #isAwaiting(aid: Uint8Array): Promise<boolean> {
    const { self, runtime } = this.#context;
    const peer = await loadPeer(this.#context.transaction(), aid);
    if (peer === null || this.#nudgeFor(peer) === null) return false;
    const active = activeOf(peer, self.meta.epoch);
    return active === null || conditionOf(active, runtime.now()) !== 'unusable';
  }

  #nudgeFor(peer: Peer): Draft | null {
    if (!isAwaiting(outgoingOf(peer, this.#context.self.meta.numbersSince))) return null;
    return { kind: CONTENT_KIND.nudge, body: new Uint8Array() };
  }

  /** One message with what is owed; the next one only once the hub has this one. */
  async #tellOutcomes(aid: Uint8Array): Promise<Next> {
    const { sweeper } = this.#parts;
    try {
      await sweeper.settled();
      const rows = await this.#context.store.range({ ...outcomesOf(aid), limit: OUTCOMES });
      const telling = rows.length > 0 ? await this.#sayOutcomes(aid, rows) : 'owed';
      if (telling === 'void') for (const row of rows) sweeper.delete(row.key);
      return telling !== 'owed' && rows.length === OUTCOMES ? 'more' : 'done';
    } catch (error) {
      // The store has stopped the agent and says so itself.
      this.#context.log.debug('outcomes not told', { error: nameOf(error) });
      return 'done';
    }
  }

  /** What could not be said stays owed, until the next time, if there is still a peer. */
  async #sayOutcomes(aid: Uint8Array, rows: readonly StoreRow[]): Promise<Telling> {
    const outcomes: Outcome[] = rows.flatMap(({ value }) => decodeOutcomes(value));
    const draft = { kind: CONTENT_KIND.outcome, body: encodeOutcomes(outcomes) };
    const spends = rows.map(({ key }) => key);
    try {
      await this.#parts.sender.deliver(aid, draft, spends);
      return 'told';
    } catch (error) {
      const code = error instanceof AgentMeshError ? error.code : 'INTERNAL';
      this.#context.log.debug('outcomes not told', { code });
      return code === 'REVOKED' || code === 'UNKNOWN_PEER' ? 'void' : 'owed';
    }
  }
}

function countOf(ranges: readonly SequenceRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

function outcomeOf({ content }: InboxRow, ending: Ending): Outcome {
  return { msgId: decodeContent(content).msgId, ...ending };
}
