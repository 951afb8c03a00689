/**
 * Keeps the order of one connection's envelopes to each recipient when a hub has no room for one of
 * them. A client sends several without waiting; if the hub then refused one and took the next, that
 * one would arrive first. So a client says which `send` comes before (`after`), and what follows a
 * refused one is refused too, until the client, who knows of the refusal by then, sends it again.
 *
 * Owns what is under way and what was refused on one connection. Refusals that no repetition helps
 * do not count: what comes after them need not wait.
 */
import type { ProtocolError } from '@agentmesh/protocol';
import type { AppendOutcome, NewEnvelope, OrderTicket } from './hub-store.js';

/** Refusals remembered: more than a client may have under way. */
const REMEMBERED = 2_000;

/** One per session. */
export class SendOrder {
  /** Made when it is needed: most connections are idle. */
  #underWay: Map<number, OrderTicket> | null = null;
  #refused: Map<number, ProtocolError> | null = null;

  /** The refusal of the `send` that has to come before; null if that is no obstacle. */
  refusalOf(after: number | undefined): ProtocolError | null {
    return after === undefined ? null : (this.#refused?.get(after) ?? null);
  }

  /** Tickets of an envelope and, while nobody knows what becomes of it, of the one before it. */
  begin(re: number, after: number | undefined): Required<Pick<NewEnvelope, 'ticket' | 'after'>> {
    const ticket: OrderTicket = {};
    const before = after === undefined ? undefined : this.#underWay?.get(after);
    this.#underWay ??= new Map();
    this.#underWay.set(re, ticket);
    return { ticket, after: before };
  }

  /** The `send` is answered: with a refusal, or with null. */
  end(re: number, refusal: ProtocolError | null): void {
    this.#underWay?.delete(re);
    if (refusal === null || !refusal.retryable) return;
    this.#refused ??= new Map();
    this.#refused.set(re, refusal);
    if (this.#refused.size <= REMEMBERED) return;
    for (const oldest of this.#refused.keys()) {
      this.#refused.delete(oldest);
      return;
    }
  }
}

/** Envelopes of one commit for which there was no room, so that none that follows is taken. */
export class RefusedBefore {
  readonly #outcomes = new Map<OrderTicket, AppendOutcome>();

  /** What an envelope is answered because of the one before it; null if that was taken. */
  outcomeOf({ after }: NewEnvelope): AppendOutcome | null {
    return after === undefined ? null : (this.#outcomes.get(after) ?? null);
  }

  /** Notes an outcome, and gives it back. */
  note({ ticket }: NewEnvelope, outcome: AppendOutcome): AppendOutcome {
    const hasNoRoom = outcome.status === 'queue_full' || outcome.status === 'storage';
    if (hasNoRoom && ticket !== undefined) this.#outcomes.set(ticket, outcome);
    return outcome;
  }
}
