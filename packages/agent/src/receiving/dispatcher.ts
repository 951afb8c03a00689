/**
 * Runs the handlers: the messages of each sender one after the other, senders beside each other,
 * again after a failure and, beyond a bound, aside as a dead letter (protocol.md §2.11 P3). Owns
 * when a message runs and what its runs mean; a row leaves the inbox only when every handler was
 * content with it.
 */
import type { AgentContext } from '../agent-context.js';
import type { Received } from '../conversation/judge.js';
import { reasonOf } from '../conversation/outcome.js';
import { AgentError } from '../ground/errors.js';
import { isInside, runInside } from '../ground/inside.js';
import type { Holder } from '../ground/keep-alive.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { AgentEvents } from '../message/events.js';
import { decodeInboxRow, encodeInboxRow } from '../message/inbox.js';
import type { InboxRow } from '../message/inbox.js';
import type { Message } from '../message/message.js';
import type { Ending, Owed } from '../owed/owed.js';
import { orderOf, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { enterHandler, leaveHandler, registered, runWithin } from './handlers.js';
import type { Handler, HandlerOptions, Registered, Run } from './handlers.js';
import { WaitingMessages } from './waiting-messages.js';
import type { InboxEntry, Waiting } from './waiting-messages.js';

/** Makes the message of a row; the signal tells its handlers to stop. */
export type ReadMessage = (row: InboxRow, redelivered: boolean, signal: AbortSignal) => Message;

/** The inbox of one agent in motion. */
export class Dispatcher {
  readonly #context: AgentContext;
  readonly #sweeper: RowSweeper;
  readonly #owed: Owed;
  readonly #read: ReadMessage;
  readonly #handlers = new Set<Registered>();
  readonly #waiting = new WaitingMessages();
  /** One for each message that handlers have. */
  readonly #runs = new Set<Promise<void>>();
  /** Runs in which a loop of the program has the message, or is to have it. */
  #inLoops = 0;
  /** While messages wait that a handler is to see, at once or again. */
  readonly #holder: Holder;
  #filling: Promise<void> | null = null;
  #cancelWake: (() => void) | null = null;
  #draining = false;
  #finishing = false;
  #stopped = false;

  constructor(parts: {
    readonly context: AgentContext;
    readonly sweeper: RowSweeper;
    readonly owed: Owed;
    readonly read: ReadMessage;
  }) {
    this.#context = parts.context;
    this.#holder = parts.context.keepAlive.holder();
    this.#sweeper = parts.sweeper;
    this.#owed = parts.owed;
    this.#read = parts.read;
  }

  get handlers(): number {
    return this.#handlers.size;
  }

  /** Messages that no handler has done with. */
  get depth(): number {
    return this.#waiting.size;
  }

  /** Takes up what an earlier run left. */
  async load(): Promise<void> {
    for await (const { key, value } of rowsUnder(this.#context.store, 'inbox')) {
      this.#take(entryOf(key, decodeInboxRow(value)));
    }
  }

  /**
   * Writes what a message leaves here when it is received; returns the key of its inbox row, null
   * if the application does not see it. Throws INBOX_FULL where its sender has filled its share.
   */
  stage(tx: StoreTransaction, { body, repeated }: Received, row: InboxRow): string | null {
    const leavesRow = body.kind === 'application' || body.kind === 'unsupported';
    if (repeated || !leavesRow) return null;
    if (body.kind === 'application') this.#reserve(row);
    const key = this.#context.logs.nextKey('inbox');
    if (body.kind === 'unsupported') {
      for (const owed of this.#owed.rowsOf(key, row, UNSUPPORTED)) tx.write(owed);
      return null;
    }
    tx.put(key, encodeInboxRow(row));
    return key;
  }

  #reserve({ from, content }: InboxRow): void {
    if (!this.#waiting.hasRoomFor(from, content.length)) {
      // They come again after this wait, or twice as long the second time.
      const untilMs = this.#context.waits() + 3 * AGENT_LIMITS.busyNackMs;
      this.#waiting.putOff(from, untilMs);
      throw new AgentError('INBOX_FULL');
    }
    this.#waiting.stage(from, content.length);
  }

  /** Whether messages of this sender were put off and will come again: nothing is missing then. */
  isPuttingOff(from: Uint8Array): boolean {
    return this.#waiting.putOffUntilMs(from) > this.#context.waits();
  }

  /** Tells the sender of a kind that has to be understood that it is not. */
  answerUnsupported({ body, repeated, peer }: Received): void {
    if (body.kind === 'unsupported' && !repeated) this.#owed.outcomesDue(peer.identity.aid);
  }

  /** A staged row was committed; it runs when nothing before it is missing, or after a wait. */
  add(entry: InboxEntry): void {
    const inOrderMs = this.#context.waits() + AGENT_LIMITS.inOrderMs;
    const dueMs = Math.max(inOrderMs, this.#waiting.putOffUntilMs(entry.row.from));
    this.#waiting.add(entry, dueMs, true);
    this.#updateHold();
  }

  /** A row is in the inbox that did not come from a hub now: it runs at once. */
  #take(entry: InboxEntry): void {
    this.#waiting.add(entry, 0, false);
  }

  /** A row is in the inbox again: a dead letter that somebody wants to be tried once more. */
  again(key: string, row: InboxRow): void {
    this.#take(entryOf(key, row));
    this.#kick();
  }

  /** A message to ourselves was committed. */
  addOwn(key: string, row: InboxRow): void {
    this.#take({ ...entryOf(key, row), redelivered: false });
    this.#kick();
  }

  /** Nothing of this line of this sender is missing up to `mark`. */
  advance(from: Uint8Array, line: string, mark: number): void {
    this.#waiting.advance(from, line, mark);
    this.#kick();
  }

  /**
   * Adds a handler behind the others; the returned function removes it. `isLoop`: it hands messages
   * to a loop of the program, which keeps no process running while it does not ask for the next.
   * Throws BAD_OPTION.
   */
  addHandler(handler: Handler, options: HandlerOptions = {}, isLoop = false): () => void {
    // A function added twice runs twice and is removed once each.
    const own = registered(handler, options, isLoop);
    this.#handlers.add(own);
    this.#kick();
    return () => {
      this.#handlers.delete(own);
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
    await this.#idle();
  }

  /** No handler begins any more; resolves when those that run have ended. */
  async finish(): Promise<void> {
    this.#finishing = true;
    await this.#idle();
  }

  /** Nothing counts any more; what still runs is told to stop. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancelWake?.();
    this.#updateHold();
    const reason = new AgentError('CLOSED');
    for (const { controller } of this.#waiting.running()) controller?.abort(reason);
  }

  async #idle(): Promise<void> {
    while (this.#filling !== null || this.#runs.size > 0) {
      await this.#filling;
      await Promise.all(this.#runs);
    }
  }

  /** A message that a handler is to see keeps the process running, also while it waits. */
  #updateHold(): void {
    const isWork = this.#handlers.size > 0 && this.#waiting.size > 0;
    const isLoops = this.#inLoops > 0 && this.#inLoops === this.#runs.size;
    this.#holder(isWork && !this.#isOver && !isLoops);
  }

  /** Nothing begins any more. */
  get #isOver(): boolean {
    return this.#stopped || this.#finishing;
  }

  #kick(): void {
    this.#updateHold();
    if (this.#isOver || this.#handlers.size === 0) return;
    this.#filling ??= this.#fill();
  }

  /** Begins whatever may run now. */
  async #fill(): Promise<void> {
    // One turn later, so that a handler added in the same turn is not missed.
    await Promise.resolve();
    this.#filling = null;
    let item = this.#next();
    for (; item !== null; item = this.#next()) this.#begin(item);
    this.#wakeLater();
    this.#updateHold();
  }

  #begin(item: Waiting): void {
    this.#waiting.begin(item);
    const run = this.#run(item).finally(() => {
      this.#waiting.end(item);
      this.#runs.delete(run);
      this.#kick();
    });
    this.#runs.add(run);
  }

  async #run(item: Waiting): Promise<void> {
    try {
      await this.#handle(item);
    } catch (error) {
      this.#context.store.fail(error);
    }
  }

  #next(): Waiting | null {
    const { concurrency, isOrdered } = this.#bounds();
    if (this.#isOver || this.#runs.size >= concurrency) return null;
    const nowMs = this.#context.waits();
    return this.#waiting.next(
      isOrdered,
      ({ dueMs, attempts }) => dueMs <= nowMs || (this.#draining && attempts === 0),
    );
  }

  /** What all handlers together allow. */
  #bounds(): { readonly concurrency: number; readonly isOrdered: boolean } {
    let concurrency = 0;
    let isOrdered = false;
    for (const handler of this.#handlers) {
      concurrency = Math.max(concurrency, handler.concurrency);
      isOrdered ||= handler.isOrdered;
    }
    return { concurrency, isOrdered };
  }

  #wakeLater(): void {
    this.#cancelWake?.();
    this.#cancelWake = null;
    const { concurrency, isOrdered } = this.#bounds();
    // A run that ends looks for the next one itself.
    if (this.#isOver || this.#runs.size >= concurrency) return;
    const atMs = this.#waiting.nextDueMs(isOrdered, () => true);
    if (atMs === Infinity) return;
    const delayMs = Math.max(0, atMs - this.#context.waits());
    this.#cancelWake = this.#context.runtime.schedule(delayMs, () => this.#kick());
  }

  async #handle(item: Waiting): Promise<void> {
    const { entry, controller } = item;
    if (controller === null) return;
    item.attempts += 1;
    const attempt = item.attempts;
    // A run that kills the process must count: its row has come back from an earlier one.
    if (entry.redelivered) await this.#store(item);
    if (attempt > AGENT_LIMITS.handlerAttempts) return this.#setAside(item);
    const message = this.#read(entry.row, entry.redelivered || attempt > 1, controller.signal);
    const errors = await this.#runHandlers(item, { message, attempt, controller });
    // Too late to be kept: the message comes again.
    if (this.#stopped) return;
    const refusal = errors.find(isRefusal);
    if (refusal !== undefined) return this.#done(item, refusedBy(refusal));
    const deadLettered = errors.length > 0 && attempt >= AGENT_LIMITS.handlerAttempts;
    if (errors.length === 0) this.#done(item, HANDLED);
    else if (deadLettered) await this.#setAside(item);
    else await this.#later(item);
    for (const error of errors) this.#tellOf({ error, message, attempt, deadLettered });
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
  async #runHandlers({ content }: Waiting, run: Run): Promise<unknown[]> {
    const errors: unknown[] = [];
    // Those of now: one that comes meanwhile, such as a loop begun again, sees it the next time.
    const present = [...this.#handlers];
    for (const handler of present) {
      if (content.has(handler) || !this.#handlers.has(handler)) continue;
      try {
        await this.#runOne(handler, run);
        content.add(handler);
      } catch (error) {
        errors.push(error);
        if (isRefusal(error) || run.controller.signal.aborted) break;
      }
    }
    return errors;
  }

  async #runOne(handler: Registered, run: Run): Promise<void> {
    if (handler.isLoop) this.#inLoops += 1;
    this.#updateHold();
    await enterHandler(handler);
    try {
      await runInside(this, () => runWithin(this.#context, handler, run));
    } finally {
      leaveHandler(handler);
      if (handler.isLoop) this.#inLoops -= 1;
      this.#updateHold();
    }
  }

  #done(item: Waiting, ending: Ending): void {
    const { key, row } = item.entry;
    this.#sweeper.delete(key, this.#owed.rowsOf(key, row, ending));
    this.#owed.ended(row, ending);
    this.#remove(item);
  }

  #remove(item: Waiting): void {
    this.#waiting.remove(item);
    this.#updateHold();
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
    for (const owed of this.#owed.rowsOf(key, row, FAILED)) tx.write(owed);
    await tx.commit();
    this.#owed.ended(row, FAILED);
    this.#remove(item);
  }
}

function entryOf(key: string, row: InboxRow): InboxEntry {
  return { key, row, place: { line: key, number: 0 }, redelivered: true };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
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
