/**
 * A request on its way, as the application sees it: something to wait for, to cancel, and to find
 * again after a restart. Owns the face; what happens to the request is `outgoing-calls`'.
 */
import type { JsonObject } from '@agentmesh/protocol';

/** What a call's owner does for it. */
export interface CallMeans {
  readonly id: string;
  readonly peer: string;
  readonly deadline: Date;
  readonly delivered: Promise<void>;
  readonly answer: Promise<JsonObject>;
  readonly ended: () => Promise<Error | null>;
  /** Somebody awaits the answer: it is read when it is there. */
  readonly awaited: () => void;
  readonly cancel: (reason: string) => Promise<void>;
  readonly isOpen: () => boolean;
}

/**
 * A durable request: it outlives a restart of either side, `callById(id)` finds it again. It is no
 * promise itself, so that `await agent.call(…)` gives the call and not its answer.
 */
export class Call {
  readonly #means: CallMeans;

  constructor(means: CallMeans) {
    this.#means = means;
  }

  /** 32 hex digits: the id of the request. */
  get id(): string {
    return this.#means.id;
  }

  /** Name of the callee. */
  get peer(): string {
    return this.#means.peer;
  }

  /** When it ends with DEADLINE if nothing else has ended it. */
  get deadline(): Date {
    return this.#means.deadline;
  }

  /** Whether it has not ended. */
  get isOpen(): boolean {
    return this.#means.isOpen();
  }

  /**
   * Fulfilled when the request is in the callee's store, which is told within 30 seconds where no
   * answer says so before. Need not be awaited.
   */
  get delivered(): Promise<void> {
    return this.#means.delivered;
  }

  /**
   * Fulfilled when it has ended, in whatever way: with null, or with what `answer` rejects with.
   * The answer stays kept: whoever may stop waiting waits for this, and then calls `answer`.
   */
  get ended(): Promise<Error | null> {
    return this.#means.ended();
  }

  /**
   * The answer. Rejects with the callee's `RemoteError`, DEADLINE, CANCELLED, NO_REPLY, UNDELIVERED
   * and others. It is kept until this was called, for 7 days at most.
   */
  answer(): Promise<JsonObject> {
    this.#means.awaited();
    return this.#means.answer;
  }

  /**
   * Gives the request up: it ends with CANCELLED here, and the callee is told. Resolves when that
   * is durable; does nothing to a call that has ended. Rejects with CLOSED.
   */
  cancel(reason = ''): Promise<void> {
    return this.#means.cancel(reason);
  }

  toJSON(): { readonly id: string; readonly peer: string; readonly deadline: string } {
    return { id: this.id, peer: this.peer, deadline: this.deadline.toISOString() };
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `Call(${this.id} to ${this.peer})`;
  }
}
