/**
 * Two agents that answer each other without anybody else: counted for each pair, and held when it
 * goes on (docs/requests.md). Owns these counts and holds; what a message says of its way is read
 * by `around`.
 */
import { addressOf, toHex } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { loadPeer } from '../conversation/handshake.js';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { Way } from '../message/way.js';
import { RowWriter } from '../store/row-codec.js';
import { aidOfKey, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';

/** `hold`: automatic messages of the pair wait for somebody. `tell`: only the event is told. */
export type OnLoop = 'hold' | 'tell';

/** When the last automatic messages of a pair were sent and came, the oldest first. */
interface Pair {
  readonly sent: number[];
  readonly heard: number[];
}

const VERSION = 1;
/** Each side has to have written so many: one that only listens answers nobody. */
const EACH = AGENT_LIMITS.loopMessages / 2;

/** One per agent. Peers are aids. */
export class LoopGuard {
  readonly #context: AgentContext;
  readonly #onLoop: OnLoop;
  /** Messages that were kept from running may run now. */
  readonly #wake: () => void;
  /** By aid in hex; the pair not heard of for longest comes first. */
  readonly #pairs = new Map<string, Pair>();
  readonly #held = new Set<string>();

  constructor(context: AgentContext, onLoop: OnLoop, wake: () => void) {
    this.#context = context;
    this.#onLoop = onLoop;
    this.#wake = wake;
  }

  /** Takes up what an earlier run held, and tells of it again. */
  async load(): Promise<void> {
    const { store } = this.#context;
    for await (const { key } of rowsUnder(store, 'loop')) {
      const aid = aidOfKey(key);
      if (this.#onLoop === 'tell') await store.commit([{ delete: key }]);
      else this.#held.add(toHex(aid));
      await this.#tell(aid);
    }
  }

  isHeld(aid: Uint8Array): boolean {
    return this.#held.size > 0 && this.#held.has(toHex(aid));
  }

  /** A message or request of this peer is committed here. */
  heard(aid: Uint8Array, way: Way, isRequest: boolean): void {
    this.#count('heard', aid, way, isRequest);
  }

  /** One is about to be sent to it. Throws PAIR_HELD. */
  sending(aid: Uint8Array, way: Way, isRequest: boolean): void {
    this.#count('sent', aid, way, isRequest);
    if (way.isAutomatic && !isRequest && this.isHeld(aid)) throw new AgentError('PAIR_HELD');
  }

  /** Somebody has looked: its automatic messages go on. */
  async release(aid: Uint8Array): Promise<void> {
    const key = toHex(aid);
    this.#pairs.delete(key);
    if (!this.#held.delete(key)) return;
    await this.#context.store.commit([{ delete: ROW.loop(aid) }]);
    this.#wake();
  }

  /** The peer is forgotten, and its row with it. */
  forget(aid: Uint8Array): void {
    this.#pairs.delete(toHex(aid));
    this.#held.delete(toHex(aid));
  }

  #count(side: keyof Pair, aid: Uint8Array, way: Way, isRequest: boolean): void {
    if (!way.isAutomatic || isRequest) return this.#clear(aid);
    // What somebody else began ends after 8 hops; it says nothing of this pair.
    if (!this.#isOwn(aid, way)) return;
    const key = toHex(aid);
    const pair = this.#pairs.get(key) ?? { sent: [], heard: [] };
    this.#pairs.delete(key);
    this.#pairs.set(key, pair);
    const nowMs = this.#context.waits();
    pair[side].push(nowMs);
    if (pair[side].length > EACH) pair[side].shift();
    const [oldest] = this.#pairs.keys();
    if (this.#pairs.size > AGENT_LIMITS.loopPairs && oldest !== undefined) {
      this.#pairs.delete(oldest);
    }
    if (isFull(pair.sent, nowMs) && isFull(pair.heard, nowMs)) this.#suspect(aid);
  }

  /** Whether only the two of them can have led to it. */
  #isOwn(aid: Uint8Array, { hops, origin }: Way): boolean {
    if (hops === 0 || origin === null) return true;
    return origin === addressOf(aid) || origin === addressOf(this.#context.self.aid);
  }

  /** A person, or somebody who asks: whatever was counted or held is over. */
  #clear(aid: Uint8Array): void {
    if (this.#pairs.size === 0 && this.#held.size === 0) return;
    void this.#quietly(this.release(aid));
  }

  #suspect(aid: Uint8Array): void {
    const key = toHex(aid);
    this.#pairs.delete(key);
    if (this.#held.has(key)) return;
    if (this.#onLoop === 'hold') this.#held.add(key);
    void this.#quietly(this.#hold(aid));
  }

  async #hold(aid: Uint8Array): Promise<void> {
    if (this.#onLoop === 'hold') {
      const value = new RowWriter().u8(VERSION).u64(this.#context.runtime.now()).finish();
      await this.#context.store.commit([{ put: ROW.loop(aid), value }]);
    }
    await this.#tell(aid);
  }

  async #tell(aid: Uint8Array): Promise<void> {
    const context = this.#context;
    const peer = await loadPeer(context.transaction(), aid);
    const { loopMessages: messages, loopMs: withinMs } = AGENT_LIMITS;
    const name = peer?.name ?? context.name;
    context.log.warn('agents answer each other', { peer: name, messages, withinMs });
    const address = addressOf(aid);
    context.events.emit('loopSuspected', { peer: name, address, messages, withinMs });
  }

  /** Where the store fails, it stops the agent and says so; an agent that ends tells nobody. */
  async #quietly(task: Promise<void>): Promise<void> {
    try {
      await task;
    } catch (error) {
      this.#context.log.debug('loop not written', { error: nameOf(error) });
    }
  }
}

function isFull(times: readonly number[], nowMs: number): boolean {
  const [oldest = -Infinity] = times;
  return times.length >= EACH && nowMs - oldest <= AGENT_LIMITS.loopMs;
}
