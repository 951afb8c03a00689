/**
 * One honest peer of the agent in the sandbox, beside hostile ones. Owns its session, and the time
 * from its message to the handler, or to the answer.
 */
import { CannotTry } from './attack.js';
import { ratioOf } from './honest-pair.js';
import type { Victim } from './sandbox/victim.js';
import type { Intruder } from './wire/intruder.js';

const MESSAGES = 10;

/** What it has exchanged in one go. */
export interface Exchange {
  readonly sent: number;
  readonly handled: number;
  readonly medianMs: number;
}

/** A peer that writes, and waits until it was heard. */
export class HonestPeer {
  readonly #victim: Victim;
  readonly #self: Intruder;
  readonly #isAnswered: boolean;
  #number = 0;

  private constructor(victim: Victim, self: Intruder, isAnswered: boolean) {
    this.#victim = victim;
    this.#self = self;
    this.#isAnswered = isAnswered;
  }

  /** `isAnswered`: the victim replies, and the time ends with the reply. */
  static async of(victim: Victim, self: Intruder, isAnswered = false): Promise<HonestPeer> {
    await self.publish();
    await self.begin(victim.name);
    const peer = new HonestPeer(victim, self, isAnswered);
    if (!(await peer.#one())) throw new CannotTry('an honest message was not handled');
    return peer;
  }

  /** Sends some, each after the one before was heard. */
  async exchange(): Promise<Exchange> {
    const times: number[] = [];
    for (let n = 0; n < MESSAGES; n++) {
      const beganMs = performance.now();
      if (await this.#one()) times.push(performance.now() - beganMs);
    }
    const medianMs = Math.round(times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0);
    return { sent: MESSAGES, handled: times.length, medianMs };
  }

  async #one(): Promise<boolean> {
    this.#number += 1;
    const text = `honest ${this.#number}`;
    const replies = (): number => this.#self.wire.count('deliver');
    const before = replies();
    await this.#self.post(this.#self.seal(text));
    const isHandled = await this.#victim.until(() =>
      this.#victim
        .said('message')
        .some((word) => word.from === this.#self.name && word.text === text),
    );
    return isHandled && (!this.#isAnswered || this.#victim.until(() => replies() > before));
  }
}

/** Figures of an exchange without the attack and of one during it. */
export function figuresOf(quiet: Exchange, attacked: Exchange): Readonly<Record<string, number>> {
  return {
    'honest sent': attacked.sent,
    'honest handled': attacked.handled,
    'quiet median ms': quiet.medianMs,
    'attacked median ms': attacked.medianMs,
    'attacked ÷ quiet': ratioOf(attacked.medianMs, quiet.medianMs),
  };
}
