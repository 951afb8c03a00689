/**
 * One direction of one connection: what is pushed first arrives first, each thing after a delay of
 * its own. Owns the order and the waiting of what is under way.
 */
import type { Network } from './network.js';

interface UnderWay {
  readonly dueMs: number;
  readonly arrive: () => void;
}

export class Lane {
  readonly #network: Network;
  readonly #isStopped: () => boolean;
  #underWay: UnderWay[] = [];
  #lastDueMs = 0;

  constructor(network: Network, isStopped: () => boolean) {
    this.#network = network;
    this.#isStopped = isStopped;
  }

  push(arrive: () => void): void {
    const { timeline } = this.#network;
    const dueMs = Math.max(this.#lastDueMs, timeline.nowMs + this.#network.delayMs());
    this.#lastDueMs = dueMs;
    this.#underWay.push({ dueMs, arrive });
    timeline.after(dueMs - timeline.nowMs, () => this.pump());
  }

  /** Lets arrive what is due, unless nothing goes through. */
  pump(): void {
    const { timeline } = this.#network;
    while (!this.#isStopped()) {
      const next = this.#underWay[0];
      if (next === undefined || next.dueMs > timeline.nowMs) return;
      this.#underWay.shift();
      next.arrive();
    }
  }

  /** What is under way never arrives. */
  drop(): void {
    this.#underWay = [];
  }
}
