/**
 * The promises about messages on their way: kept by the peer's own acknowledgement, broken when the
 * message is given up. Owns the waiting, in memory; acknowledgements themselves are rows of the
 * peer.
 */
import { toHex } from '@agentmesh/crypto';
import type { AgentMeshError } from '@agentmesh/crypto';

interface Waiter {
  readonly number: number;
  readonly promise: PromiseWithResolvers<void>;
}

/** Where an envelope of ours belongs. */
export interface Sent {
  readonly aid: Uint8Array;
  readonly number: number;
  /** msgId in hex, as the application knows it. */
  readonly id: string;
}

/** All that is awaited of all peers. */
export class Deliveries {
  /** By aid in hex; ascending by number. */
  readonly #waiters = new Map<string, Waiter[]>();
  /** By envelope id in hex. */
  readonly #envelopes = new Map<string, Sent>();

  /** Fulfilled when the peer has acknowledged this number. Never an unhandled rejection. */
  expect(sent: Sent, envelopeId: Uint8Array | null): Promise<void> {
    const key = toHex(sent.aid);
    const promise = Promise.withResolvers<void>();
    promise.promise.catch(() => undefined);
    const waiters = this.#waiters.get(key) ?? [];
    this.#waiters.set(key, waiters);
    waiters.push({ number: sent.number, promise });
    if (envelopeId !== null) this.#envelopes.set(toHex(envelopeId), sent);
    return promise.promise;
  }

  /** The peer has everything up to this number. */
  acknowledged(aid: Uint8Array, upTo: number): void {
    this.#take(
      aid,
      (number) => number <= upTo,
      (waiter) => waiter.resolve(),
    );
    const key = toHex(aid);
    for (const [envelopeId, sent] of this.#envelopes) {
      if (sent.number <= upTo && toHex(sent.aid) === key) this.#envelopes.delete(envelopeId);
    }
  }

  /** One message was given up. */
  failed(aid: Uint8Array, number: number, error: AgentMeshError): void {
    this.#take(
      aid,
      (other) => other === number,
      (waiter) => waiter.reject(error),
    );
  }

  /** Contents below this number are not kept any more. */
  dropped(aid: Uint8Array, below: number, error: AgentMeshError): void {
    this.#take(
      aid,
      (number) => number < below,
      (waiter) => waiter.reject(error),
    );
  }

  /** The message in an envelope of this run; undefined for others. */
  byEnvelope(envelopeId: Uint8Array): Sent | undefined {
    return this.#envelopes.get(toHex(envelopeId));
  }

  /** The agent ends: nothing is awaited any more. */
  close(error: AgentMeshError): void {
    for (const waiters of this.#waiters.values()) {
      for (const { promise } of waiters) promise.reject(error);
    }
    this.#waiters.clear();
    this.#envelopes.clear();
  }

  #take(
    aid: Uint8Array,
    isMeant: (number: number) => boolean,
    end: (promise: PromiseWithResolvers<void>) => void,
  ): void {
    const key = toHex(aid);
    const waiters = this.#waiters.get(key) ?? [];
    const rest = waiters.filter(({ number }) => !isMeant(number));
    for (const { number, promise } of waiters) if (isMeant(number)) end(promise);
    if (rest.length === 0) this.#waiters.delete(key);
    else this.#waiters.set(key, rest);
  }
}
