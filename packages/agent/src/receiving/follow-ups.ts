/**
 * What a message asks for later: a receipt, the messages missing before it, or, where it was ours
 * and nobody acknowledges it, a nudge (protocol.md §2.10). Owns the timers. What is due is decided
 * when the time comes, from the peer's row.
 */
import { CONTENT_KIND, encodeRetry, toHex, fromHex } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { receiptBody } from './body.js';
import type { Draft } from '../sending/compose.js';
import { AGENT_LIMITS } from '../limits.js';
import { loadPeer } from '../peers/handshake.js';
import { activeOf, holesOf, isAwaiting, outgoingOf } from '../peers/peer.js';
import type { Peer } from '../peers/peer.js';
import { conditionOf } from '../peers/sessions.js';
import { rowsUnder } from '../store/row-pages.js';
import type { Sender } from '../sending/sender.js';

const MINUTE_MS = 60_000;
/** Each gap is asked for again after four times the wait. */
const GAP_FACTOR = 4;
const NUDGE_FACTOR = 4;

interface Timer {
  readonly cancel: () => void;
  readonly attempt: number;
}

/** The reminders of one agent; keys are aids in hex. */
export class FollowUps {
  readonly #context: AgentContext;
  readonly #sender: Sender;
  readonly #receipts = new Map<string, Timer>();
  readonly #gaps = new Map<string, Timer>();
  readonly #nudges = new Map<string, Timer>();
  /** Times of retry requests answered in the last minute. */
  readonly #answered = new Map<string, number[]>();
  #stopped = false;

  constructor(context: AgentContext, sender: Sender) {
    this.#context = context;
    this.#sender = sender;
  }

  /** Takes up the receipts that an earlier run owed, what it missed, and what it waited for. */
  async load(): Promise<void> {
    const { store } = this.#context;
    for await (const { key } of rowsUnder(store, 'receipt')) {
      this.#receiptIn(fromHex(key.slice('receipt/'.length)), AGENT_LIMITS.receiptMs);
    }
    for await (const { key } of rowsUnder(store, 'gap')) {
      this.#gapIn(fromHex(key.slice('gap/'.length)), 0);
    }
    for await (const { key } of rowsUnder(store, 'unacked')) {
      this.#nudgeIn(fromHex(key.slice('unacked/'.length)), 0);
    }
  }

  /** A message of this peer was committed. */
  after(peer: Peer): void {
    const { aid } = peer.identity;
    if (peer.owed >= AGENT_LIMITS.receiptMessages) this.#receiptNow(aid);
    else if (peer.owed > 0) this.#receiptIn(aid, AGENT_LIMITS.receiptMs);
    if (holesOf(peer, this.#context.meta.since).length > 0) this.#gapIn(aid, 0);
    else this.#clear(this.#gaps, toHex(aid));
    if (!isAwaiting(outgoingOf(peer, this.#context.meta.epoch))) {
      this.#clear(this.#nudges, toHex(aid));
    }
  }

  /** Something was said to this peer that he has to acknowledge. */
  awaits(aid: Uint8Array): void {
    const key = toHex(aid);
    if ((this.#nudges.get(key)?.attempt ?? 0) > 0) this.#clear(this.#nudges, key);
    this.#nudgeIn(aid, 0);
  }

  /** A peer asks for messages again; more often than allowed he is not heard. */
  answerRetry(aid: Uint8Array, ranges: readonly SequenceRange[]): void {
    const key = toHex(aid);
    const nowMs = this.#context.waits();
    const recent = (this.#answered.get(key) ?? []).filter((at) => nowMs - at < MINUTE_MS);
    if (this.#stopped || recent.length >= AGENT_LIMITS.retriesPerMinute) return;
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
    this.#stopped = true;
    const timers = [this.#receipts, this.#gaps, this.#nudges].flatMap((each) => [...each.values()]);
    for (const { cancel } of timers) cancel();
  }

  #receiptIn(aid: Uint8Array, delayMs: number): void {
    const key = toHex(aid);
    if (this.#stopped || this.#receipts.has(key)) return;
    const cancel = this.#context.runtime.schedule(delayMs, () => void this.#sendReceipt(aid));
    this.#receipts.set(key, { cancel, attempt: 0 });
  }

  #receiptNow(aid: Uint8Array): void {
    if (this.#stopped) return;
    void this.#sendReceipt(aid);
  }

  /** An empty receipt acknowledges by its content, and turns the ratchet. */
  async #sendReceipt(aid: Uint8Array): Promise<void> {
    this.#clear(this.#receipts, toHex(aid));
    await this.#sender.tell(aid, (peer) =>
      peer.owed === 0 ? null : { kind: CONTENT_KIND.receipt, body: receiptBody(null) },
    );
  }

  #gapIn(aid: Uint8Array, attempt: number): void {
    const key = toHex(aid);
    const isLast = attempt >= AGENT_LIMITS.gapAttempts;
    if (this.#stopped || isLast || this.#gaps.has(key)) return;
    const delayMs = AGENT_LIMITS.gapMs * GAP_FACTOR ** attempt;
    const cancel = this.#context.runtime.schedule(delayMs, () => void this.#askFor(aid, attempt));
    this.#gaps.set(key, { cancel, attempt });
  }

  async #askFor(aid: Uint8Array, attempt: number): Promise<void> {
    await this.#sender.tell(aid, (peer) => this.#requestOf(peer));
    this.#clear(this.#gaps, toHex(aid));
    this.#gapIn(aid, attempt + 1);
  }

  #requestOf(peer: Peer): Draft | null {
    const ranges = holesOf(peer, this.#context.meta.since);
    if (ranges.length === 0) return null;
    this.#context.events.emit('gap', { peer: peer.name, state: 'asked', ranges });
    return { kind: CONTENT_KIND.retry, body: encodeRetry(ranges) };
  }

  #nudgeIn(aid: Uint8Array, attempt: number): void {
    const key = toHex(aid);
    const isLast = attempt >= AGENT_LIMITS.nudgeAttempts;
    if (this.#stopped || isLast || this.#nudges.has(key)) return;
    const delayMs = AGENT_LIMITS.nudgeMs * NUDGE_FACTOR ** attempt;
    const cancel = this.#context.runtime.schedule(delayMs, () => void this.#nudge(aid, attempt));
    this.#nudges.set(key, { cancel, attempt });
  }

  /**
   * He answers with a receipt, asks for what he misses, or begins anew if he cannot read it: his
   * store may be lost, and with it that he has to acknowledge anything.
   */
  async #nudge(aid: Uint8Array, attempt: number): Promise<void> {
    const isDue = await this.#isAwaiting(aid).catch((error: unknown) => {
      // The store has stopped the agent and says so itself, or the agent is being closed.
      this.#context.log.debug('nobody nudged', { error: nameOf(error) });
      return false;
    });
    if (isDue) await this.#sender.tell(aid, (peer) => this.#nudgeFor(peer));
    this.#clear(this.#nudges, toHex(aid));
    if (isDue) this.#nudgeIn(aid, attempt + 1);
  }

  /** Asked first: for nothing, or for a message as old as its session, none is begun. */
  async #isAwaiting(aid: Uint8Array): Promise<boolean> {
    const { meta, runtime } = this.#context;
    const peer = await loadPeer(this.#context.transaction(), aid);
    if (peer === null || this.#nudgeFor(peer) === null) return false;
    const active = activeOf(peer, meta.epoch);
    return active !== null && conditionOf(active, runtime.now()) !== 'unusable';
  }

  #nudgeFor(peer: Peer): Draft | null {
    if (!isAwaiting(outgoingOf(peer, this.#context.meta.epoch))) return null;
    return { kind: CONTENT_KIND.nudge, body: new Uint8Array() };
  }

  #clear(timers: Map<string, Timer>, key: string): void {
    timers.get(key)?.cancel();
    timers.delete(key);
  }
}
