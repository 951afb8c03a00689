/**
 * A mailbox: messages that wait until somebody takes them, such as another process. Owns leases and
 * what the taker decides; a message leaves the store only by that decision, and a lease that ends
 * costs no attempt.
 */
import { AgentError } from '../ground/errors.js';
import type { Duration } from '../ground/duration.js';
import { durationMs } from '../ground/duration.js';
import type { Runtime } from '../ground/runtime.js';
import type { Message } from '../message/message.js';
import { GivenBack } from './handlers.js';
import type { Handler } from './handlers.js';

/** How messages are taken. */
export interface TakeOptions {
  /** At most so many (default 10). */
  readonly max?: number | undefined;
  /** How long they are nobody else's (default `5m`). */
  readonly lease?: Duration | undefined;
  /** Which of them. Default: all. */
  readonly only?: ((message: Message) => boolean) | undefined;
}

interface Letter {
  readonly message: Message;
  /** Ends the lease; null while it is free. */
  cancelLease: (() => void) | null;
  readonly settle: (error: Error | null) => void;
}

/** Where a mailbox gets its messages, and what says that a decision is kept. */
interface Source {
  /** Registers what takes every message of the agent. */
  readonly subscribe: (handler: Handler) => () => void;
  /** Resolves when what was decided about a message is committed. */
  readonly decided: (message: Message) => Promise<void>;
}

const MAX = 10;
const LEASE = '5m';

/** The messages of one agent that wait to be taken, the oldest first. */
export class Mailbox {
  readonly #runtime: Runtime;
  readonly #behind: () => number;
  readonly #letters = new Set<Letter>();
  readonly #listeners = new Set<() => void>();
  readonly #decided: Source['decided'];
  readonly #unsubscribe: () => void;
  #isOver = false;

  constructor(runtime: Runtime, behind: () => number, { subscribe, decided }: Source) {
    this.#runtime = runtime;
    this.#behind = behind;
    this.#decided = decided;
    this.#unsubscribe = subscribe((message) => this.#keep(message));
  }

  /** Messages that waited at the hub when it was reached, and are still to come. */
  get behind(): number {
    return this.#behind();
  }

  /** Messages that nobody has taken. */
  get free(): number {
    return this.list().filter(({ isFree }) => isFree).length;
  }

  /** Every message, taken or not; this takes none. */
  list(): readonly { readonly message: Message; readonly isFree: boolean }[] {
    return [...this.#letters].map(({ message, cancelLease }) => ({
      message,
      isFree: cancelLease === null,
    }));
  }

  /** Takes messages that nobody has: nobody else gets them until the lease ends. BAD_OPTION. */
  take({ max = MAX, lease = LEASE, only = () => true }: TakeOptions = {}): Message[] {
    this.#assertOpen();
    const leaseMs = durationMs(lease, 'lease');
    if (!Number.isInteger(max) || max < 1) {
      throw new AgentError('BAD_OPTION', 'max: a whole number from 1');
    }
    const free = [...this.#letters].filter(({ cancelLease }) => cancelLease === null);
    const taken = free.filter(({ message }) => only(message)).slice(0, max);
    for (const letter of taken) this.#lease(letter, leaseMs);
    return taken.map(({ message }) => message);
  }

  /** Calls back whenever a message may be taken that could not be before. */
  onFree(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * A message that waits here, by its id; and by its sender's name or address, where two senders
   * have used the id. NO_MESSAGE.
   */
  find(id: string, from?: string): Message {
    return this.#find(id, from).message;
  }

  /** The taker needs more time: its lease begins anew. NO_MESSAGE. */
  extend(id: string, lease: Duration = LEASE, from?: string): void {
    this.#lease(this.#find(id, from), durationMs(lease, 'lease'));
  }

  /** The message is handled, and has left the inbox when this resolves. NO_MESSAGE. */
  async ack(id: string, from?: string): Promise<void> {
    await this.#decide(this.#find(id, from), null);
  }

  /**
   * The message is refused for good; its sender is told the reason. Resolves when that is
   * committed. NO_MESSAGE.
   */
  async refuse(id: string, reason: string, from?: string): Promise<void> {
    await this.#decide(this.#find(id, from), new AgentError('REFUSED', reason));
  }

  /**
   * The attempt has failed: it comes again later, and is a dead letter after five. Resolves when
   * that is committed. NO_MESSAGE.
   */
  async fail(id: string, error: Error, from?: string): Promise<void> {
    await this.#decide(this.#find(id, from), error);
  }

  /** The lease ends now: somebody else may take it. NO_MESSAGE. */
  release(id: string, from?: string): void {
    this.#free(this.#find(id, from));
  }

  /** Everything waits for the next opening. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unsubscribe();
    for (const letter of this.#letters) this.#end(letter, new GivenBack());
    this.#listeners.clear();
  }

  #keep(message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      const letter: Letter = {
        message,
        cancelLease: null,
        settle: (error) => (error === null ? resolve() : reject(error)),
      };
      this.#letters.add(letter);
      // Cancelled by its sender, or the agent has ended.
      const forget = (): void => this.#end(letter, new GivenBack());
      message.signal.addEventListener('abort', forget, { once: true });
      this.#tell();
    });
  }

  #lease(letter: Letter, leaseMs: number): void {
    letter.cancelLease?.();
    letter.cancelLease = this.#runtime.schedule(leaseMs, () => this.#free(letter));
  }

  #free(letter: Letter): void {
    letter.cancelLease?.();
    letter.cancelLease = null;
    if (this.#letters.has(letter)) this.#tell();
  }

  async #decide(letter: Letter, error: Error | null): Promise<void> {
    this.#end(letter, error);
    await this.#decided(letter.message);
  }

  #end(letter: Letter, error: Error | null): void {
    if (!this.#letters.delete(letter)) return;
    letter.cancelLease?.();
    letter.settle(error);
  }

  #find(id: string, from: string | undefined): Letter {
    this.#assertOpen();
    const found = [...this.#letters].filter(
      ({ message }) =>
        message.id === id &&
        (from === undefined || message.sender === from || message.address === from),
    );
    const [letter] = found;
    if (letter === undefined) throw new AgentError('NO_MESSAGE', id);
    // Ids are their senders' words: one may have chosen that of another.
    if (found.length > 1) {
      const senders = found.map(({ message }) => message.address).join(', ');
      throw new AgentError('BAD_OPTION', `${id}: several senders have used this id: ${senders}`);
    }
    return letter;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #assertOpen(): void {
    if (this.#isOver) throw new AgentError('CLOSED');
  }
}
