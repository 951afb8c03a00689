/**
 * Runs the handlers: one message after the other, in the order of each sender, again after a
 * failure and, beyond a bound, aside as a dead letter (protocol.md §2.11 P3). Owns the waiting
 * messages; a row leaves the inbox only when every handler was content with it.
 */
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import type { Holder } from '../ground/keep-alive.js';
import { decodeInboxRow, encodeInboxRow } from '../message/inbox.js';
import type { InboxRow } from '../message/inbox.js';
import type { Received } from '../conversation/judge.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { AgentEvents } from '../message/events.js';
import type { Message } from '../message/message.js';
import { isInside, runInside } from '../ground/inside.js';
import { reasonOf } from '../conversation/outcome.js';
import type { Ending, Outcomes } from '../owed/outcomes.js';
import { orderOf, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';
import type { StoreTransaction } from '../store/store-transaction.js';

/**
 * What an application does with a message; it is handled when this returns or resolves. Throwing
 * `new AgentError('REFUSED', reason)` refuses it for good and tells its sender the reason.
 */
export type Handler = (message: Message) => void | Promise<void>;

/** A committed inbox row. */
export interface InboxEntry {
  readonly key: string;
  readonly row: InboxRow;
  /** Its sender's store, and its number there. */
  readonly place: { readonly line: string; readonly number: number };
  /** Whether a handler may have seen it in an earlier run. */
  readonly redelivered: boolean;
  /** Called once, when the row is gone. */
  readonly handled: () => void;
}

interface Waiting {
  readonly entry: InboxEntry;
  /** Runs begun, this one included while it runs. */
  attempts: number;
  /** Handlers that were content with it. */
  readonly content: Set<Handler>;
  /** When it may run, though earlier numbers are missing or it has failed. */
  dueMs: number;
}

/** The inbox of one agent in motion. */
export class Dispatcher {
  readonly #context: AgentContext;
  readonly #sweeper: RowSweeper;
  readonly #outcomes: Outcomes;
  readonly #read: (row: InboxRow, redelivered: boolean) => Message;
  readonly #handlers = new Set<Handler>();
  /** Those that hand messages to a loop: it decides when to go on. */
  readonly #loops = new Set<Handler>();
  #isInLoop = false;
  /** While messages wait that a handler is to see, at once or again. */
  readonly #holder: Holder;
  /** In order of arrival. */
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  #cancelWake: (() => void) | null = null;
  #draining = false;
  #finishing = false;
  #stopped = false;

  constructor(parts: {
    readonly context: AgentContext;
    readonly sweeper: RowSweeper;
    readonly outcomes: Outcomes;
    readonly read: (row: InboxRow, redelivered: boolean) => Message;
  }) {
    this.#context = parts.context;
    this.#holder = parts.context.keepAlive.holder();
    this.#sweeper = parts.sweeper;
    this.#outcomes = parts.outcomes;
    this.#read = parts.read;
  }

  get handlers(): number {
    return this.#handlers.size;
  }

  /** Messages that no handler has done with. */
  get depth(): number {
    return this.#waiting.length;
  }

  hasRoomFor(messages: number): boolean {
    return this.#waiting.length + messages <= AGENT_LIMITS.inboxMessages;
  }

  /** Takes up what an earlier run left. */
  async load(): Promise<void> {
    for await (const { key, value } of rowsUnder(this.#context.store, 'inbox')) {
      const place = { line: key, number: 0 };
      const entry = { key, row: decodeInboxRow(value), place, redelivered: true, handled: noop };
      this.#waiting.push(waiting(entry, 0));
    }
  }

  /**
   * Writes what a message leaves here when it is received; returns the key of its inbox row, null
   * if the application does not see it.
   */
  stage(tx: StoreTransaction, { body, repeated }: Received, row: InboxRow): string | null {
    const leavesRow = body.kind === 'application' || body.kind === 'unsupported';
    if (repeated || !leavesRow) return null;
    const key = this.#context.logs.nextKey('inbox');
    if (body.kind === 'unsupported') {
      for (const owed of this.#outcomes.rowsOf(key, row, UNSUPPORTED)) tx.write(owed);
      return null;
    }
    tx.put(key, encodeInboxRow(row));
    return key;
  }

  /** Tells the sender of a kind that has to be understood that it is not. */
  answerUnsupported({ body, repeated, peer }: Received): void {
    if (body.kind === 'unsupported' && !repeated) this.#outcomes.due(peer.identity.aid);
  }

  /** A row was committed; it runs when nothing before it is missing, or after a wait. */
  add(entry: InboxEntry): void {
    this.#waiting.push(waiting(entry, this.#context.waits() + AGENT_LIMITS.inOrderMs));
    this.#updateHold();
  }

  /** A row is in the inbox again: a dead letter that somebody wants to be tried once more. */
  again(key: string, row: InboxRow): void {
    const place = { line: key, number: 0 };
    this.#waiting.push(waiting({ key, row, place, redelivered: true, handled: noop }, 0));
    this.#kick();
  }

  /** Nothing of this line is missing up to `mark`. */
  advance(line: string, mark: number): void {
    for (const item of this.#waiting) {
      const { place } = item.entry;
      if (item.attempts === 0 && place.line === line && place.number <= mark) item.dueMs = 0;
    }
    this.#kick();
  }

  /**
   * Adds a handler behind the others; the returned function removes it. `isLoop`: it hands messages
   * to a loop of the program, which keeps no process running while it does not ask for the next.
   */
  addHandler(handler: Handler, { isLoop = false } = {}): () => void {
    // A function added twice runs twice and is removed once each.
    const own: Handler = (message) => handler(message);
    this.#handlers.add(own);
    if (isLoop) this.#loops.add(own);
    this.#kick();
    return () => {
      this.#handlers.delete(own);
      this.#loops.delete(own);
      this.#updateHold();
    };
  }

  /** Whether the caller is one of the handlers, or was called by one. */
  get isInHandler(): boolean {
    return isInside(this);
  }

  /** Handles all that can be handled now, in whatever order it came; resolves then. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#kick();
    await this.#running;
  }

  /** No handler begins any more; resolves when those that run have ended. */
  async finish(): Promise<void> {
    this.#finishing = true;
    await this.#running;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelWake?.();
    this.#updateHold();
  }

  /** A message that a handler is to see keeps the process running, also while it waits. */
  #updateHold(): void {
    const isWork = this.#handlers.size > 0 && this.#waiting.length > 0;
    this.#holder(isWork && !this.#isOver && !this.#isInLoop);
  }

  /** Nothing begins any more. */
  get #isOver(): boolean {
    return this.#stopped || this.#finishing;
  }

  #kick(): void {
    this.#updateHold();
    if (this.#running !== null || this.#isOver || this.#handlers.size === 0) return;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    // One turn later, so that a handler added in the same turn is not missed.
    await Promise.resolve();
    try {
      for (let item = this.#next(); item !== null; item = this.#next()) await this.#handle(item);
    } catch (error) {
      this.#context.store.fail(error);
    }
    this.#running = null;
    this.#wakeLater();
  }

  /** The first message that may run, or the earliest of its line. */
  #next(): Waiting | null {
    if (this.#isOver || this.#handlers.size === 0) return null;
    const nowMs = this.#context.waits();
    const isDue = (item: Waiting): boolean =>
      item.dueMs <= nowMs || (this.#draining && item.attempts === 0);
    const first = this.#waiting.find(isDue);
    if (first === undefined) return null;
    const { line } = first.entry.place;
    let earliest = first;
    for (const item of this.#waiting) {
      const isEarlier = item.entry.place.number < earliest.entry.place.number;
      if (item.entry.place.line === line && isEarlier && isDue(item)) earliest = item;
    }
    return earliest;
  }

  #wakeLater(): void {
    this.#cancelWake?.();
    this.#cancelWake = null;
    if (this.#isOver || this.#handlers.size === 0 || this.#waiting.length === 0) return;
    const atMs = Math.min(...this.#waiting.map(({ dueMs }) => dueMs));
    const delayMs = Math.max(0, atMs - this.#context.waits());
    this.#cancelWake = this.#context.runtime.schedule(delayMs, () => this.#kick());
  }

  async #handle(item: Waiting): Promise<void> {
    const { entry } = item;
    item.attempts += 1;
    // A run that kills the process must count: its row has come back from an earlier one.
    if (entry.redelivered) await this.#store(item);
    if (item.attempts > AGENT_LIMITS.handlerAttempts) return this.#setAside(item);
    const message = this.#read(entry.row, entry.redelivered || item.attempts > 1);
    const errors = await this.#runHandlers(item, message);
    // Too late to be kept: the message comes again.
    if (this.#stopped) return;
    const refusal = errors.find(isRefusal);
    if (refusal !== undefined) return this.#done(item, refusedBy(refusal));
    const deadLettered = errors.length > 0 && item.attempts >= AGENT_LIMITS.handlerAttempts;
    if (errors.length === 0) this.#done(item, HANDLED);
    else if (deadLettered) await this.#setAside(item);
    else await this.#later(item);
    for (const error of errors) {
      const { attempts: attempt } = item;
      this.#tellOf({ error, message, attempt, deadLettered });
    }
  }

  /** An error that nobody listens to is written down, so that it is seen somewhere. */
  #tellOf(failure: AgentEvents['handlerError']): void {
    const { events, log } = this.#context;
    if (events.isHeard('handlerError')) return events.emit('handlerError', failure);
    const { error, message, attempt, deadLettered } = failure;
    const { id, sender } = message;
    log.error('handler failed', { id, sender, attempt, deadLettered, error: stackOf(error) });
  }

  /** Every handler that was not content with it before, one after the other. */
  async #runHandlers(item: Waiting, message: Message): Promise<unknown[]> {
    const errors: unknown[] = [];
    // Those of now: one that comes meanwhile, such as a loop begun again, sees it the next time.
    const present = [...this.#handlers];
    for (const handler of present) {
      if (item.content.has(handler) || !this.#handlers.has(handler)) continue;
      try {
        await this.#runOne(handler, message);
        item.content.add(handler);
      } catch (error) {
        errors.push(error);
        if (isRefusal(error)) break;
      }
    }
    return errors;
  }

  async #runOne(handler: Handler, message: Message): Promise<void> {
    this.#isInLoop = this.#loops.has(handler);
    this.#updateHold();
    try {
      await runInside(this, () => handler(message));
    } finally {
      this.#isInLoop = false;
      this.#updateHold();
    }
  }

  #done(item: Waiting, ending: Ending): void {
    const { key, row } = item.entry;
    this.#sweeper.delete(key, this.#outcomes.rowsOf(key, row, ending));
    this.#outcomes.ended(row, ending);
    this.#remove(item);
  }

  #remove(item: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== item);
    this.#updateHold();
    item.entry.handled();
  }

  async #later(item: Waiting): Promise<void> {
    if (!item.entry.redelivered) await this.#store(item);
    const waitMs = AGENT_LIMITS.handlerRetryMs * 2 ** (item.attempts - 1);
    item.dueMs = this.#context.waits() + waitMs;
  }

  /** Counts the run in the row. */
  async #store({ entry: { key, row }, attempts }: Waiting): Promise<void> {
    await this.#context.store.commit([{ put: key, value: encodeInboxRow({ ...row, attempts }) }]);
  }

  /** A dead letter: out of the inbox, kept for whoever looks into it. */
  async #setAside(item: Waiting): Promise<void> {
    const { key, row } = item.entry;
    const tx = this.#context.transaction();
    const dead = this.#context.logs.nextKey('dead');
    tx.delete(key);
    tx.put(dead, encodeInboxRow({ ...row, attempts: item.attempts }));
    const beyond = orderOf(dead) - AGENT_LIMITS.deadLetters;
    if (beyond > 0) tx.delete(ROW.log('dead', beyond));
    for (const owed of this.#outcomes.rowsOf(key, row, FAILED)) tx.write(owed);
    await tx.commit();
    this.#outcomes.ended(row, FAILED);
    this.#remove(item);
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function waiting(entry: InboxEntry, dueMs: number): Waiting {
  return { entry, attempts: entry.row.attempts, content: new Set(), dueMs };
}

const HANDLED: Ending = { state: 'handled', reason: '' };
const UNSUPPORTED: Ending = { state: 'unsupported', reason: '' };
const FAILED: Ending = { state: 'failed', reason: '' };

/** A handler that throws REFUSED has decided: no other handler and no other attempt follows. */
function isRefusal(error: unknown): error is AgentError {
  return error instanceof AgentError && error.code === 'REFUSED';
}

function refusedBy({ detail }: AgentError): Ending {
  return { state: 'refused', reason: reasonOf(detail ?? '') };
}

function noop(): void {}
