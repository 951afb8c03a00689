/**
 * The order of rows in the logs of a store: outbox, inbox, dead letters, security events. Owns the
 * next number of each, which rises over all openings of the store.
 */
import { orderOf, ROW, under } from './row-keys.js';
import type { Log } from './row-keys.js';
import type { AgentStore } from './store.js';

const LOGS: readonly Log[] = ['outbox', 'inbox', 'dead', 'security'];

/** Gives the rows of each log their keys. */
export class LogOrder {
  readonly #last = new Map<Log, number>();

  private constructor() {}

  /** Goes on behind the rows that are there. */
  static async after(store: AgentStore): Promise<LogOrder> {
    const order = new LogOrder();
    for (const log of LOGS) {
      const [last] = await store.range({ ...under(log), limit: 1, reverse: true });
      if (last !== undefined) order.skipTo(log, orderOf(last.key));
    }
    return order;
  }

  /** Rows of this log up to `order` are gone, but something still goes by their keys. */
  skipTo(log: Log, order: number): void {
    this.#last.set(log, Math.max(order, this.#last.get(log) ?? 0));
  }

  /** Key of the next row of a log. */
  nextKey(log: Log): string {
    const order = (this.#last.get(log) ?? 0) + 1;
    this.#last.set(log, order);
    return ROW.log(log, order);
  }
}
