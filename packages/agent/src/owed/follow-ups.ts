/**
 * What a message asks for later: a receipt, the messages missing before it, or, where it was ours
 * and nobody acknowledges it, a nudge (protocol.md §2.10). Owns the timers. What is due is decided
 * when the time comes, from the peer's row.
 */
import { CONTENT_KIND, encodeRetry, fromHex, toHex } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { receiptBody } from '../conversation/body.js';
import type { Draft } from '../conversation/compose.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { loadPeer } from '../conversation/handshake.js';
import { activeOf, holesOf, isAwaiting, outgoingOf } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { conditionOf } from '../conversation/sessions.js';
import { aidOfKey } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { Sender } from '../sending/sender.js';

const MINUTE_MS = 60_000;
/** What is asked again is asked after four times the wait. */
const FACTOR = 4;

interface Timer {
  readonly cancel: () => void;
  readonly attempt: number;
}

/** What a peer is asked for, again and again, until it is there or was asked for often enough. */
interface Reminder {
  readonly timers: Map<string, Timer>;
  readonly firstMs: number;
  readonly attempts: number;
  /** Asks once; false when there was nothing to ask for. */
  readonly ask: (aid: Uint8Array) => Promise<boolean>;
}

/** The reminders of one agent; keys are aids in hex. */
export class FollowUps {
  readonly #context: AgentContext;
  readonly #sender: Sender;
  readonly #receipts = new Map<string, Timer>();
  readonly #gaps: Reminder = {
    timers: new Map(),
    firstMs: AGENT_LIMITS.gapMs,
    attempts: AGENT_LIMITS.gapAttempts,
    ask: (aid) => this.#askFor(aid),
  };
  readonly #nudges: Reminder = {
    timers: new Map(),
    firstMs: AGENT_LIMITS.nudgeMs,
    attempts: AGENT_LIMITS.nudgeAttempts,
    ask: (aid) => this.#nudge(aid),
  };
  /** Times of retry requests answered in the last minute. */
  readonly #answered = new Map<string, number[]>();
  /** Nothing is said where there is no hub: then this is never loaded. */
  #isRunning = false;

  constructor(context: AgentContext, sender: Sender) {
    this.#context = context;
    this.#sender = sender;
  }

  /** Takes up the receipts that an earlier run owed, what it missed, and what it waited for. */
  async load(): Promise<void> {
    const { store } = this.#context;
    this.#isRunning = true;
    for await (const { key } of rowsUnder(store, 'receipt')) {
      this.#receiptIn(aidOfKey(key), AGENT_LIMITS.receiptMs);
    }
    for await (const { key } of rowsUnder(store, 'gap')) {
      this.#remind(this.#gaps, aidOfKey(key));
    }
    for await (const { key } of rowsUnder(store, 'unacked')) {
      this.#remind(this.#nudges, aidOfKey(key));
    }
  }

  /** A message of this peer was committed. */
  after(peer: Peer): void {
    const { aid } = peer.identity;
    if (peer.owed >= AGENT_LIMITS.receiptMessages) this.#receiptNow(aid);
    else if (peer.owed > 0) this.#receiptIn(aid, AGENT_LIMITS.receiptMs);
    if (holesOf(peer, this.#context.self.meta.since).length > 0) this.#remind(this.#gaps, aid);
    else this.#clear(this.#gaps.timers, toHex(aid));
    if (!isAwaiting(outgoingOf(peer, this.#context.self.meta.numbersSince))) {
      this.#clear(this.#nudges.timers, toHex(aid));
    }
  }

  /** Something was said to this peer that he has to acknowledge. */
  awaits(aid: Uint8Array): void {
    const key = toHex(aid);
    const { timers } = this.#nudges;
    if ((timers.get(key)?.attempt ?? 0) > 0) this.#clear(timers, key);
    this.#remind(this.#nudges, aid);
  }

  /** A peer asks for messages again; more often than allowed he is not heard. */
  answerRetry(aid: Uint8Array, ranges: readonly SequenceRange[]): void {
    const key = toHex(aid);
    const nowMs = this.#context.waits();
    const recent = (this.#answered.get(key) ?? []).filter((at) => nowMs - at < MINUTE_MS);
    if (!this.#isRunning || recent.length >= AGENT_LIMITS.retriesPerMinute) return;
    this.#answered.set(key, [...recent, nowMs]);
    this.#sender.answerRetry(aid, ranges).catch((error: unknown) => {
      this.#context.log.warn('retry not answered', { error: nameOf(error) });
    });
  }

  /** Sends every receipt that is owed now: before the agent goes. */
  async flush(): Promise<void> {
    const owed = [...this.#receipts.keys()];
    await Promise.all(owed.map((key) => this.#sendReceipt(fromHex(key))));
  }

  stop(): void {
    this.#isRunning = false;
    for (const timers of [this.#receipts, this.#gaps.timers, this.#nudges.timers]) {
      for (const { cancel } of timers.values()) cancel();
    }
  }

  #receiptIn(aid: Uint8Array, delayMs: number): void {
    const key = toHex(aid);
    if (!this.#isRunning || this.#receipts.has(key)) return;
    const cancel = this.#context.runtime.schedule(delayMs, () => void this.#sendReceipt(aid));
    this.#receipts.set(key, { cancel, attempt: 0 });
  }

  #receiptNow(aid: Uint8Array): void {
    if (!this.#isRunning) return;
    void this.#sendReceipt(aid);
  }

  /** An empty receipt acknowledges by its content, and turns the ratchet. */
  async #sendReceipt(aid: Uint8Array): Promise<void> {
    this.#clear(this.#receipts, toHex(aid));
    await this.#sender.tell(aid, (peer) =>
      peer.owed === 0 ? null : { kind: CONTENT_KIND.receipt, body: receiptBody(null) },
    );
  }

  #remind(reminder: Reminder, aid: Uint8Array, attempt = 0): void {
    const { timers, firstMs, attempts } = reminder;
    const key = toHex(aid);
    if (!this.#isRunning || attempt >= attempts || timers.has(key)) return;
    const ask = (): void => void this.#ask(reminder, aid, attempt);
    const cancel = this.#context.runtime.schedule(firstMs * FACTOR ** attempt, ask);
    timers.set(key, { cancel, attempt });
  }

  async #ask(reminder: Reminder, aid: Uint8Array, attempt: number): Promise<void> {
    const isOpen = await reminder.ask(aid);
    this.#clear(reminder.timers, toHex(aid));
    if (isOpen) this.#remind(reminder, aid, attempt + 1);
  }

  /** Asked again in any case: what ends it is that the holes are filled. */
  async #askFor(aid: Uint8Array): Promise<boolean> {
    await this.#sender.tell(aid, (peer) => this.#requestOf(peer));
    return true;
  }

  #requestOf(peer: Peer): Draft | null {
    const ranges = holesOf(peer, this.#context.self.meta.since);
    if (ranges.length === 0) return null;
    this.#context.events.emit('gap', { peer: peer.name, state: 'asked', ranges });
    return { kind: CONTENT_KIND.retry, body: encodeRetry(ranges) };
  }

  /**
   * He answers with a receipt, asks for what he misses, or begins anew if he cannot read it: his
   * store may be lost, and with it that he has to acknowledge anything.
   */
  async #nudge(aid: Uint8Array): Promise<boolean> {
    const isDue = await this.#isAwaiting(aid).catch((error: unknown) => {
      // The store has stopped the agent and says so itself, or the agent is being closed.
      this.#context.log.debug('nobody nudged', { error: nameOf(error) });
      return false;
    });
    if (isDue) await this.#sender.tell(aid, (peer) => this.#nudgeFor(peer));
    return isDue;
  }

  /** Asked first: for nothing, or for a message as old as its session, none is begun. */
  async #isAwaiting(aid: Uint8Array): Promise<boolean> {
    const { self, runtime } = this.#context;
    const peer = await loadPeer(this.#context.transaction(), aid);
    if (peer === null || this.#nudgeFor(peer) === null) return false;
    const active = activeOf(peer, self.meta.epoch);
    return active !== null && conditionOf(active, runtime.now()) !== 'unusable';
  }

  #nudgeFor(peer: Peer): Draft | null {
    if (!isAwaiting(outgoingOf(peer, this.#context.self.meta.numbersSince))) return null;
    return { kind: CONTENT_KIND.nudge, body: new Uint8Array() };
  }

  #clear(timers: Map<string, Timer>, key: string): void {
    timers.get(key)?.cancel();
    timers.delete(key);
  }
}
