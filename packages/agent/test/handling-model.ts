/**
 * What handlers make of the messages of one sender, taken at any time in the order of those that
 * wait. Owns the judgement of their marks: whatever is handled after what was said later says so.
 */
import type { Position } from '../src/handling/handling-order.js';
import { WaitingMessages } from '../src/handling/waiting-messages.js';
import type { InboxEntry } from '../src/handling/waiting-messages.js';

const FROM = new Uint8Array(32);
const ANY = { isOrdered: () => true, mayRun: () => true };

/** Handlers of one recipient. */
export class HandlingModel {
  /** By id: which of all that was said it is. */
  readonly #said = new Map<string, number>();
  #waiting = new WaitingMessages();
  #lastBegun = 0;
  /** Ids that are not marked, and something that was said later had begun. */
  readonly unmarked: string[] = [];
  /** Ids that are marked, and nothing that was said later had begun. */
  readonly falselyMarked: string[] = [];

  said(id: string): void {
    this.#said.set(id, this.#said.size + 1);
  }

  /** It is received, and waits. */
  came(id: string, position: Position): void {
    const row = { from: FROM, content: new Uint8Array(1), attempts: 0 };
    const told = { sender: 'alice', redelivered: false, request: null };
    const entry = { key: id, row, position, ...told } as unknown as InboxEntry;
    this.#waiting.stage(FROM, 1);
    this.#waiting.add(entry, 0, true);
  }

  /** Handlers take one; false if none waits. */
  takeNext(): boolean {
    const item = this.#waiting.next(ANY);
    if (item === null) return false;
    this.#waiting.begin(item, true, null);
    const { key: id } = item.entry;
    const said = this.#said.get(id) ?? 0;
    const isLate = said < this.#lastBegun;
    if (isLate && item.late !== true) this.unmarked.push(id);
    if (!isLate && item.late === true) this.falselyMarked.push(id);
    this.#lastBegun = Math.max(said, this.#lastBegun);
    this.#waiting.end(item);
    this.#waiting.remove(item);
    return true;
  }

  /** The recipient starts again; what waits comes as redelivered, whatever its order. */
  restart(): void {
    this.#waiting = new WaitingMessages();
  }
}
