/**
 * Peers that wrote first and to whom nobody here has written on his own: a bounded pool, so that
 * newcomers, however many, take a bounded part of the store (docs/threat-model.md). Owns who gives
 * way to a newcomer; what is forgotten then is `contacts`'.
 */
import { fromHex, toHex } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { decodeStranger, encodeStranger } from '../conversation/contact.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { aidOfKey, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';

interface StrangersParts {
  readonly context: AgentContext;
  /** Whether something of this peer, or for it, waits here. */
  readonly isBusy: (aid: Uint8Array) => boolean;
  /** All that is kept of a peer goes. */
  readonly forget: (aid: Uint8Array) => Promise<void>;
}

/** The strangers of one agent. */
export class Strangers {
  readonly #parts: StrangersParts;
  /** By aid in hex, the one that was silent longest first; whether it was ever answered. */
  readonly #known = new Map<string, boolean>();
  /** Those that are being forgotten. */
  readonly #going = new Set<string>();

  constructor(parts: StrangersParts) {
    this.#parts = parts;
  }

  /** Takes up what an earlier run left. */
  async load(): Promise<void> {
    const found: { readonly aid: string; readonly sinceMs: number; readonly answered: boolean }[] =
      [];
    for await (const { key, value } of rowsUnder(this.#parts.context.store, 'stranger')) {
      found.push({ aid: toHex(aidOfKey(key)), ...decodeStranger(value) });
    }
    found.sort((a, b) => a.sinceMs - b.sinceMs);
    for (const { aid, answered } of found) this.#known.set(aid, answered);
    this.#bound();
  }

  /** A message of this peer is committed. */
  heard(aid: Uint8Array): void {
    const key = toHex(aid);
    const answered = this.#known.get(key);
    if (answered === undefined) return;
    this.#known.delete(key);
    this.#known.set(key, answered);
  }

  /** Somebody has become a peer. */
  met(aid: Uint8Array): void {
    this.#quietly(this.#take(aid));
  }

  async #take(aid: Uint8Array): Promise<void> {
    const { store } = this.#parts.context;
    if ((await store.get(ROW.stranger(aid))) === null) return;
    this.#known.set(toHex(aid), false);
    this.#bound();
  }

  /** Somebody here has answered it: it gives way after those that nobody has answered. */
  answered(aid: Uint8Array): void {
    const key = toHex(aid);
    if (this.#known.get(key) !== false) return;
    this.#known.set(key, true);
    this.#quietly(this.#writeAnswered(aid));
  }

  async #writeAnswered(aid: Uint8Array): Promise<void> {
    const { store } = this.#parts.context;
    const row = await store.get(ROW.stranger(aid));
    if (row === null || !this.#known.has(toHex(aid))) return;
    const value = encodeStranger({ ...decodeStranger(row), answered: true });
    await store.commit([{ put: ROW.stranger(aid), value }]);
  }

  /** Somebody here has written to it on his own, accepted or compared it: it is no stranger. */
  async confirm(aid: Uint8Array): Promise<void> {
    if (!this.#known.delete(toHex(aid))) return;
    await this.#parts.context.store.commit([{ delete: ROW.stranger(aid) }]);
  }

  /** It is forgotten, and its row with it. */
  forgotten(aid: Uint8Array): void {
    this.#known.delete(toHex(aid));
  }

  /** Beyond the bound those give way that nobody has answered, then the others, oldest first. */
  #bound(): void {
    let excess = this.#known.size - this.#going.size - AGENT_LIMITS.strangers;
    for (const wanted of [false, true]) {
      for (const [key, answered] of this.#known) {
        if (excess <= 0) return;
        if (answered !== wanted || this.#going.has(key)) continue;
        const aid = fromHex(key);
        // Its messages are still to be handled, or answers to it to be sent.
        if (this.#parts.isBusy(aid)) continue;
        excess -= 1;
        this.#going.add(key);
        this.#quietly(this.#parts.forget(aid).finally(() => this.#going.delete(key)));
      }
    }
  }

  /** Where the store fails, it stops the agent and says so. */
  #quietly(task: Promise<void>): void {
    task.catch((error: unknown) => {
      this.#parts.context.log.warn('stranger not forgotten', { error: nameOf(error) });
    });
  }
}
