/**
 * Two honest agents beside an attack: one writes, the other handles, one message after the other.
 * Owns the counting of what reached the handler; times are told, and never judged.
 */
import { Agent } from '@agentmesh/agent';
import type { NetworkHub } from '@agentmesh/hub-client';
import { clientOf } from './target.js';
import type { Target } from './target.js';

/** One message that does not come for so long counts as lost. */
const PATIENCE_MS = 20_000;

/** What a pair has exchanged. */
export interface Exchanged {
  readonly sent: number;
  readonly handled: number;
  /** Milliseconds from sending to the handler; the median. For information. */
  readonly medianMs: number;
}

/** How many times as long honest messages took under an attack, to one decimal. */
export function ratioOf(attackedMs: number, quietMs: number): number {
  return Math.round((10 * attackedMs) / Math.max(1, quietMs)) / 10;
}

/** A running pair. */
export class HonestPair {
  readonly #from: Agent;
  readonly #to: Agent;
  /** Name of the receiver. */
  readonly #name: string;
  readonly #hubs: readonly NetworkHub[];
  readonly #arrivals = new Map<string, () => void>();
  #number = 0;

  private constructor(
    from: Agent,
    to: { readonly agent: Agent; readonly name: string },
    hubs: readonly NetworkHub[],
  ) {
    this.#from = from;
    this.#to = to.agent;
    this.#name = to.name;
    this.#hubs = hubs;
    to.agent.onMessage(({ text }) => this.#arrivals.get(text)?.());
  }

  static async at(target: Target, [from, to]: readonly [string, string]): Promise<HonestPair> {
    const hubs = [clientOf(target), clientOf(target)] as const;
    const [sender, receiver] = await Promise.all([
      Agent.create(from, { hub: hubs[0], logLevel: 'silent' }),
      Agent.create(to, { hub: hubs[1], logLevel: 'silent' }),
    ]);
    const pair = new HonestPair(sender, { agent: receiver, name: to }, hubs);
    // The first message begins the session.
    await pair.exchange(1);
    return pair;
  }

  /** Sends so many, each after the one before was handled. */
  async exchange(count: number): Promise<Exchanged> {
    const times: number[] = [];
    for (let n = 0; n < count; n++) {
      const beganMs = performance.now();
      if (await this.#one()) times.push(performance.now() - beganMs);
    }
    times.sort((a, b) => a - b);
    const medianMs = Math.round(times[times.length >> 1] ?? 0);
    return { sent: count, handled: times.length, medianMs };
  }

  async close(): Promise<void> {
    await Promise.all([this.#from.close(), this.#to.close()]);
    await Promise.all(this.#hubs.map((hub) => hub.close()));
  }

  async #one(): Promise<boolean> {
    this.#number += 1;
    const text = `honest ${this.#number}`;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), PATIENCE_MS);
    this.#arrivals.set(text, () => resolve(true));
    this.#from.send(this.#name, text).catch(() => undefined);
    const arrived = await promise;
    clearTimeout(timer);
    this.#arrivals.delete(text);
    return arrived;
  }
}
