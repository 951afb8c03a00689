/**
 * What is to be changed of envelopes that are stored already: acknowledgements, attempts that
 * failed, dead letters. One recipient may bring thousands of them at once, when it acknowledges all
 * that it had or leaves with it. Owns what waits and how it is divided among commits, so that a
 * commit for which others wait stays short; whose queues they are, and when a commit comes, it does
 * not know.
 */
import { byteKey } from './byte-key.js';
import type { QueueAcknowledgement, QueueReference, QueueReschedule } from './hub-store.js';

/** What one commit changes. */
export interface Upkeep {
  readonly acknowledge: readonly QueueAcknowledgement[];
  readonly reschedule: readonly QueueReschedule[];
  readonly deadLetter: readonly QueueReference[];
}

/** Changes in the order of the calls, for each queue and of each kind. */
export class QueueUpkeep {
  readonly #acknowledge = new Map<Uint8Array, number[]>();
  readonly #reschedule: QueueReschedule[] = [];
  readonly #deadLetter: QueueReference[] = [];
  #acknowledged = 0;

  get isEmpty(): boolean {
    return this.acknowledged + this.#reschedule.length + this.#deadLetter.length === 0;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  acknowledge(recipient: Uint8Array, seq: number): void {
    const earlier = this.#acknowledge.get(recipient);
    if (earlier === undefined) this.#acknowledge.set(recipient, [seq]);
    else earlier.push(seq);
    this.#acknowledged += 1;
  }

  reschedule(change: QueueReschedule): void {
    this.#reschedule.push(change);
  }

  deadLetter(reference: QueueReference): void {
    this.#deadLetter.push(reference);
  }

  /** The queues that it concerns, by the keys of their recipients. */
  keys(): ReadonlySet<string> {
    const keys = new Set<string>();
    for (const recipient of this.#acknowledge.keys()) keys.add(byteKey(recipient));
    for (const { recipient } of this.#reschedule) keys.add(byteKey(recipient));
    for (const { recipient } of this.#deadLetter) keys.add(byteKey(recipient));
    return keys;
  }

  /** The next ones, at most so many of each kind. */
  take(most: number): Upkeep {
    const acknowledge: QueueAcknowledgement[] = [];
    let left = most;
    for (const [recipient, waiting] of this.#acknowledge) {
      if (left <= 0) break;
      const seqs = waiting.length <= left ? waiting : waiting.splice(0, left);
      if (seqs === waiting) this.#acknowledge.delete(recipient);
      acknowledge.push({ recipient, seqs });
      left -= seqs.length;
      this.#acknowledged -= seqs.length;
    }
    const reschedule = this.#reschedule.splice(0, most);
    const deadLetter = this.#deadLetter.splice(0, most);
    return { acknowledge, reschedule, deadLetter };
  }

  /** A commit of them failed: they come first again. Acknowledgements need no order. */
  putBack({ acknowledge, reschedule, deadLetter }: Upkeep): void {
    for (const { recipient, seqs } of acknowledge) {
      for (const seq of seqs) this.acknowledge(recipient, seq);
    }
    this.#reschedule.unshift(...reschedule);
    this.#deadLetter.unshift(...deadLetter);
  }
}
