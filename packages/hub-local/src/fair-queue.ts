/**
 * What many senders want to have done, shared among them: deficit round robin (Shreedhar and
 * Varghese, 1995). Each sender's own items keep their order; of each round every sender gets the
 * same cost, whether it asks for little or for much. Owns the waiting items and their turns.
 */

interface Waiting<T> {
  /** Two plain lists: what waits for long is mostly numbers, and those are small this way. */
  readonly items: T[];
  readonly costs: number[];
  /** Position of the next item: cheaper than taking items off the front. */
  next: number;
  /** What is left of its turns. */
  credit: number;
  /** Of all that wait. */
  cost: number;
}

/** Items whose first part was taken are dropped from the front once there are so many of them. */
const COMPACT = 1_024;

/** Items by sender. `Key` identifies a sender. */
export class FairQueue<Key, T> {
  readonly #quantum: number;
  /** In the order of their turns; whoever has nothing to do has no turn, and no credit. */
  readonly #senders = new Map<Key, Waiting<T>>();
  #size = 0;

  /** `quantum`: cost that one turn allows. */
  constructor(quantum: number) {
    this.#quantum = quantum;
  }

  get size(): number {
    return this.#size;
  }

  /** Gives what all that the sender has waiting costs now. */
  push(sender: Key, cost: number, item: T): number {
    let waiting = this.#senders.get(sender);
    if (waiting === undefined) {
      waiting = { items: [], costs: [], next: 0, credit: 0, cost: 0 };
      this.#senders.set(sender, waiting);
    }
    waiting.items.push(item);
    waiting.costs.push(cost);
    waiting.cost += cost;
    this.#size += 1;
    return waiting.cost;
  }

  /**
   * The next items: at most `most`, and no more once they cost `budget`, nor of one sender once its
   * own cost `ofOne`. A turn that does not fit any more goes on with the next call.
   */
  take(most: number, budget: number, ofOne = Infinity): T[] {
    const taken: T[] = [];
    const costs = new Map<Key, number>();
    let spent = 0;
    let sated = 0;
    // Whoever is put back to the end comes again: this ends when nobody is left who may have more.
    for (const [sender, waiting] of this.#senders) {
      const own = costs.get(sender) ?? 0;
      if (own >= ofOne) {
        sated += 1;
        if (sated >= this.#senders.size) break;
        this.#endTurn(sender, waiting);
        continue;
      }
      sated = 0;
      const before = spent;
      waiting.credit += this.#quantum;
      while ((waiting.costs[waiting.next] ?? Infinity) <= waiting.credit) {
        if (taken.length >= most || spent >= budget) {
          waiting.credit -= this.#quantum;
          return taken;
        }
        const { item, cost } = this.#takeFirst(waiting);
        spent += cost;
        taken.push(item);
      }
      costs.set(sender, own + spent - before);
      this.#endTurn(sender, waiting);
    }
    return taken;
  }

  /** The next item alone. Its sender's turn goes on with the next call. */
  takeOne(): { readonly sender: Key; readonly item: T; readonly cost: number } | null {
    for (const [sender, waiting] of this.#senders) {
      waiting.credit += this.#quantum;
      if ((waiting.costs[waiting.next] ?? Infinity) > waiting.credit) {
        this.#endTurn(sender, waiting);
        continue;
      }
      const taken = this.#takeFirst(waiting);
      waiting.credit -= this.#quantum;
      if (waiting.next === waiting.items.length) this.#senders.delete(sender);
      return { sender, ...taken };
    }
    return null;
  }

  /** How many of a sender's items wait. */
  countOf(sender: Key): number {
    const waiting = this.#senders.get(sender);
    return waiting === undefined ? 0 : waiting.items.length - waiting.next;
  }

  /** Drops the later half of whoever has most waiting; null if nobody has more than `few`. */
  shed(few: number): { readonly sender: Key; readonly items: readonly T[] } | null {
    let most: { sender: Key; waiting: Waiting<T>; count: number } | null = null;
    for (const [sender, waiting] of this.#senders) {
      const count = waiting.items.length - waiting.next;
      if (count > (most?.count ?? few)) most = { sender, waiting, count };
    }
    if (most === null) return null;
    const { sender, waiting, count } = most;
    const from = waiting.next + Math.ceil(count / 2);
    const items = waiting.items.splice(from);
    for (const cost of waiting.costs.splice(from)) waiting.cost -= cost;
    this.#size -= items.length;
    return { sender, items };
  }

  #takeFirst(waiting: Waiting<T>): { readonly item: T; readonly cost: number } {
    const { items, costs, next } = waiting;
    const [item, cost] = [items[next] as T, costs[next] ?? 0];
    waiting.credit -= cost;
    waiting.next += 1;
    waiting.cost -= cost;
    this.#size -= 1;
    if (waiting.next >= COMPACT && 2 * waiting.next >= items.length) {
      items.splice(0, waiting.next);
      costs.splice(0, waiting.next);
      waiting.next = 0;
    }
    return { item, cost };
  }

  /** To the end of the round, or away if nothing is left. */
  #endTurn(sender: Key, waiting: Waiting<T>): void {
    this.#senders.delete(sender);
    if (waiting.next === waiting.items.length) return;
    this.#senders.set(sender, waiting);
  }
}
