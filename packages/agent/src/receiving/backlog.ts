/**
 * Deliveries that found no room in the inbox: kept in memory, neither acknowledged nor refused, in
 * the order of their sender, until its handlers have made room. Owns them and their bounds. Should
 * their connection end, the hub delivers them again.
 */
import { toHex } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { AGENT_LIMITS, SHARE_OF_ROOM } from '../ground/limits.js';
import type { WaitingMessages } from '../handling/waiting-messages.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { Arrival } from './arrivals.js';

interface Held {
  readonly arrival: Arrival;
  readonly sinceMs: number;
}

interface Sender {
  /** In the order of the queue. */
  readonly held: Held[];
  bytes: number;
  /** Given back to be judged, and not judged yet. */
  readonly released: Set<Arrival>;
  /** As it will be when they are taken: never committed, it only opens what comes behind them. */
  ahead: StoreTransaction | null;
}

interface BacklogParts {
  readonly context: AgentContext;
  readonly waiting: WaitingMessages;
  /** Judges one; whether it is for the handlers, which take it in its order. Throws the refusal. */
  readonly opens: (tx: StoreTransaction, arrival: Arrival) => Promise<boolean>;
  /** There is room for this one now. */
  readonly release: (arrival: Arrival) => void;
  /** This one has been here for too long. */
  readonly putOff: (arrival: Arrival) => void;
}

/** What a delivery takes besides its blob. */
const HELD_BYTES = 512;

/** One per agent. */
export class Backlog {
  readonly #parts: BacklogParts;
  /** By aid in hex. */
  readonly #senders = new Map<string, Sender>();
  #bytes = 0;
  #cancel: (() => void) | null = null;

  constructor(parts: BacklogParts) {
    this.#parts = parts;
    parts.waiting.onRoom(() => {
      for (const [key, sender] of this.#senders) this.#release(key, sender);
    });
  }

  /** Whether messages of this sender are here, or are being judged again. */
  has(from: Uint8Array): boolean {
    return this.#senders.has(toHex(from));
  }

  /** Whether others of its sender wait before it. */
  isBehind(arrival: Arrival): boolean {
    const sender = this.#senders.get(toHex(arrival.delivery.envelope.from));
    return sender !== undefined && !sender.released.has(arrival);
  }

  /** How many of this sender are here. */
  count(from: Uint8Array): number {
    return this.#senders.get(toHex(from))?.held.length ?? 0;
  }

  /**
   * Whether it comes behind others and waits for its turn as they do. It is opened in a state in
   * which they are taken already, so that each costs one step of its chain and not all those since
   * the first of them.
   */
  async isForLater(arrival: Arrival): Promise<boolean> {
    if (!this.isBehind(arrival)) return false;
    const sender = this.#senders.get(toHex(arrival.delivery.envelope.from));
    if (sender === undefined) return false;
    sender.ahead ??= this.#parts.context.transaction();
    try {
      const part = sender.ahead.nested();
      const isForHandlers = await this.#parts.opens(part, arrival);
      await part.commit();
      return isForHandlers;
    } catch {
      // The state has become another one: it is judged as it is, which says what is wrong with it.
      sender.ahead = null;
      return false;
    }
  }

  /** Keeps one; false where there is no room for it. */
  hold(arrival: Arrival): boolean {
    const { from, blob } = arrival.delivery.envelope;
    const key = toHex(from);
    const sender = this.#senders.get(key) ?? newSender();
    const bytes = blob.length + HELD_BYTES;
    const room = AGENT_LIMITS.backlogBytes - this.#bytes - bytes;
    if (sender.bytes + bytes > room * SHARE_OF_ROOM) return false;
    this.#senders.set(key, sender);
    sender.released.delete(arrival);
    const { delivery, line } = arrival;
    // Others may come meanwhile: what it takes here has a bound of its own.
    line.giveBack(blob.length);
    const held = { arrival: { delivery, line: { ...line, giveBack: () => undefined } } };
    const at = sender.held.findLastIndex((other) => other.arrival.delivery.seq < delivery.seq);
    sender.held.splice(at + 1, 0, { ...held, sinceMs: this.#parts.context.waits() });
    this.#count(sender, bytes);
    this.#cancel ??= this.#wakeIn(AGENT_LIMITS.backlogMs);
    return true;
  }

  /** It was judged, whatever came of it. */
  judged(arrival: Arrival): void {
    const key = toHex(arrival.delivery.envelope.from);
    const sender = this.#senders.get(key);
    if (sender?.released.delete(arrival) !== true || sender.released.size > 0) return;
    this.#release(key, sender);
  }

  /** The hub will deliver them again. */
  stop(): void {
    this.#cancel?.();
    this.#senders.clear();
  }

  /** As many as there is room for and a commit takes; a few only when nothing else is left. */
  #release(key: string, sender: Sender): void {
    const { waiting, release } = this.#parts;
    const { held, released } = sender;
    if (released.size > 0) return;
    let [count, bytes] = [0, 0];
    for (const { arrival } of held.slice(0, AGENT_LIMITS.commitMessages)) {
      const { from, blob } = arrival.delivery.envelope;
      bytes += blob.length;
      if (!waiting.hasRoomFor(from, bytes, count)) break;
      count += 1;
    }
    const isPortion = count === Math.min(held.length, AGENT_LIMITS.commitMessages);
    if (!isPortion && waiting.holds(key)) return;
    if (held.length === 0) this.#senders.delete(key);
    for (const { arrival } of held.splice(0, count)) {
      this.#count(sender, -arrival.delivery.envelope.blob.length - HELD_BYTES);
      released.add(arrival);
      release(arrival);
    }
  }

  #wakeIn(ms: number): () => void {
    return this.#parts.context.runtime.schedule(ms, () => this.#putOffOld());
  }

  /** All of a sender at once, so that they come again in their order. */
  #putOffOld(): void {
    this.#cancel = null;
    const oldMs = this.#parts.context.waits() - AGENT_LIMITS.backlogMs;
    for (const sender of this.#senders.values()) {
      if ((sender.held[0]?.sinceMs ?? Infinity) > oldMs) continue;
      for (const { arrival } of sender.held.splice(0)) this.#parts.putOff(arrival);
      this.#count(sender, -sender.bytes);
    }
    for (const [key, { held, released }] of this.#senders) {
      if (held.length + released.size === 0) this.#senders.delete(key);
    }
    if (this.#senders.size > 0) this.#cancel = this.#wakeIn(AGENT_LIMITS.backlogMs / 4);
  }

  #count(sender: Sender, bytes: number): void {
    sender.bytes += bytes;
    this.#bytes += bytes;
  }
}

function newSender(): Sender {
  return { held: [], bytes: 0, released: new Set(), ahead: null };
}
