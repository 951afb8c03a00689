/**
 * Requests to NATS that come by the thousand: one subscription takes all answers, and one timer
 * looks after all deadlines. The client's own requests make timers, promises and stack traces for
 * each. Owns what is waited for; what an answer means is said by whoever asked.
 */
import { createInbox } from '@nats-io/transport-node';
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { monotonicMs } from '../monotonic.js';
import { JetStreamStoreError } from './jetstream-error.js';

/** How to ask. */
export interface AskOptions {
  readonly timeoutMs: number;
  readonly headers?: MsgHdrs | undefined;
}

interface Waiting {
  readonly subject: string;
  readonly deadlineMs: number;
  resolve(data: Uint8Array): void;
  reject(error: unknown): void;
}

/** Between two looks at the deadlines: so much later than asked for may one end. */
const LOOK_MS = 100;
const NOBODY = 503;

/** All of one connection. */
export class NatsRequests {
  readonly #connection: NatsConnection;
  readonly #inbox = createInbox();
  /** By the last part of the subject that is answered on. */
  readonly #waiting = new Map<string, Waiting>();
  #asked = 0;
  #look: NodeJS.Timeout | null = null;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
    const callback = (error: Error | null, message: Msg): void => {
      if (error === null) this.#answered(message);
    };
    connection.subscribe(`${this.#inbox}.*`, { callback });
  }

  /** The answer's data. STORE_UNAVAILABLE if nobody is there to answer, or nobody does in time. */
  ask(subject: string, data: Uint8Array, { timeoutMs, headers }: AskOptions): Promise<Uint8Array> {
    this.#asked += 1;
    const token = this.#asked.toString(36);
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const deadlineMs = monotonicMs() + timeoutMs;
    this.#waiting.set(token, { subject, deadlineMs, resolve, reject });
    this.#look ??= setInterval(() => this.#expire(), LOOK_MS);
    try {
      const reply = `${this.#inbox}.${token}`;
      this.#connection.publish(subject, data, { reply, ...(headers ? { headers } : {}) });
    } catch (error) {
      this.#take(token)?.reject(error);
    }
    return promise;
  }

  /** NATS does not let us publish there. */
  denied(subject: string, error: unknown): void {
    for (const [token, waiting] of this.#waiting) {
      if (waiting.subject === subject) this.#take(token)?.reject(error);
    }
  }

  /** There will be no more answers. */
  end(error: unknown): void {
    for (const token of this.#waiting.keys()) this.#take(token)?.reject(error);
  }

  #answered({ subject, data, headers }: Msg): void {
    const waiting = this.#take(subject.slice(this.#inbox.length + 1));
    if (waiting === null) return;
    if (headers?.code === NOBODY && data.length === 0) waiting.reject(unavailable('nobody there'));
    else waiting.resolve(data);
  }

  #expire(): void {
    const nowMs = monotonicMs();
    for (const [token, { deadlineMs }] of this.#waiting) {
      if (deadlineMs <= nowMs) this.#take(token)?.reject(unavailable('timeout'));
    }
  }

  /** It waits no more. */
  #take(token: string): Waiting | null {
    const waiting = this.#waiting.get(token) ?? null;
    this.#waiting.delete(token);
    if (this.#waiting.size === 0 && this.#look !== null) {
      clearInterval(this.#look);
      this.#look = null;
    }
    return waiting;
  }
}

function unavailable(detail: string): JetStreamStoreError {
  return new JetStreamStoreError('STORE_UNAVAILABLE', { detail });
}
