/**
 * Requests of one connection that wait for their replies. Owns their numbers and time limits:
 * a reply is matched by its number only, never by its order (hub.md §2).
 */
import { ProtocolError } from './errors.js';
import type { ReplyFrame } from './hub-frames.js';

type Answer = Exclude<ReplyFrame, { type: 'error' }>;

interface Waiting {
  readonly type: ReplyFrame['type'];
  readonly deadlineMs: number;
  readonly resolve: (reply: Answer) => void;
  readonly reject: (error: ProtocolError) => void;
}

const LAST_ID = 0xffff_ffff;

/** Requests by number. Every promise that it hands out is settled at last. */
export class PendingReplies {
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #lastId: number;

  constructor(timeoutMs: number, lastId = 0) {
    this.#timeoutMs = timeoutMs;
    this.#lastId = lastId;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** A number that no waiting request has. */
  nextId(): number {
    do this.#lastId = this.#lastId === LAST_ID ? 1 : this.#lastId + 1;
    while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }

  add(request: { id: number; type: ReplyFrame['type']; nowMs: number }): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const deadlineMs = request.nowMs + this.#timeoutMs;
    this.#waiting.set(request.id, { type: request.type, deadlineMs, resolve, reject });
    return promise;
  }

  /** False if the reply is not of the kind that its request wants; nobody waiting is fine. */
  settle(reply: Answer): boolean {
    const waiting = this.#waiting.get(reply.re);
    if (waiting === undefined) return true;
    if (waiting.type !== reply.type) return false;
    this.#waiting.delete(reply.re);
    waiting.resolve(reply);
    return true;
  }

  refuse(id: number, error: ProtocolError): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.reject(error);
  }

  refuseAll(error: ProtocolError): void {
    for (const id of this.#waiting.keys()) this.refuse(id, error);
  }

  /** Requests are in the order of their deadlines: the first that has time ends the search. */
  expire(nowMs: number): void {
    for (const [id, { deadlineMs }] of this.#waiting) {
      if (deadlineMs > nowMs) return;
      this.refuse(id, new ProtocolError('TIMEOUT'));
    }
  }
}
