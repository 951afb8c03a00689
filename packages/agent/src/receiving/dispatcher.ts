/**
 * Runs the handlers: the messages of each sender one after the other, senders beside each other,
 * again after a failure and, beyond a bound, aside as a dead letter (protocol.md §2.11 P3). Owns
 * when a message runs and what its runs mean; a row leaves the inbox only when every handler was
 * content with it.
 */
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import { isInside, runInside } from '../ground/inside.js';
import type { Holder } from '../ground/keep-alive.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { decodeInboxRow } from '../message/inbox.js';
import type { InboxRow } from '../message/inbox.js';
import type { Message, Seen } from '../message/message.js';
import type { Ending, Owed } from '../owed/owed.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';
import type { ServedHandler } from '../calls/request-run.js';
import type { RequestServer } from '../calls/request-server.js';
import { HandlerList } from '../handling/handler-list.js';
import { GivenBack, HANDLED, isRefusal, refusedBy, tellOfFailure } from '../handling/handlers.js';
import type { Handler, HandlerKind, HandlerOptions, Run } from '../handling/handlers.js';
import type { Surroundings } from '../handling/surroundings.js';
import { countRun, endRun, keepRuns } from '../handling/run-count.js';
import { InboxRows } from './inbox-rows.js';
import { entryOf, seenOf } from '../handling/waiting-messages.js';
import type { Choice, InboxEntry, Waiting } from '../handling/waiting-messages.js';
import type { WaitingMessages, WaitingRequest } from '../handling/waiting-messages.js';

/** Makes the message of a row; the signal tells its handlers to stop. */
export type ReadMessage = (row: InboxRow, seen: Seen, signal: AbortSignal) => Message;

/** The inbox of one agent in motion. */
export class Dispatcher {
  readonly #context: AgentContext;
  readonly #rows: InboxRows;
  readonly #server: RequestServer;
  readonly #read: ReadMessage;
  readonly #around: Surroundings;
  readonly #handlers: HandlerList;
  readonly #waiting: WaitingMessages;
  /** One for each message that handlers have. */
  readonly #runs = new Set<Promise<void>>();
  /** Told whether the run of a message counts. */
  readonly #deciders = new WeakMap<Message, (counts: boolean) => void>();
  /** Those of requests among them. */
  #requestRuns = 0;
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
    readonly waiting: WaitingMessages;
    readonly server: RequestServer;
    readonly read: ReadMessage;
    readonly around: Surroundings;
  }) {
    this.#context = parts.context;
    this.#waiting = parts.waiting;
    this.#holder = parts.context.keepAlive.holder();
    this.#rows = new InboxRows(parts);
    this.#server = parts.server;
    this.#read = parts.read;
    this.#around = parts.around;
    this.#handlers = new HandlerList(parts.context, this, () => this.#updateHold());
  }

  get handlers(): number {
    return this.#handlers.size;
  }

  /** Messages that no handler has done with. */
  get depth(): number {
    return this.#waiting.size;
  }

  /** Whether a message of this sender waits or runs. */
  holds(from: Uint8Array): boolean {
    return this.#waiting.find(from, () => true) !== null;
  }

  /** Takes up what an earlier run left. */
  async load(): Promise<void> {
    for await (const { key, value } of rowsUnder(this.#context.store, 'inbox')) {
      this.#take(entryOf(key, decodeInboxRow(value)));
    }
  }

  /** A message takes its room before its commit. Throws INBOX_FULL where there is none. */
  reserve({ from, content }: InboxRow): void {
    if (!this.#waiting.hasRoomFor(from, content.length)) throw new AgentError('INBOX_FULL');
    this.#waiting.stage(from, content.length);
  }

  /** Whether messages of this sender were put off and will come again: nothing is missing then. */
  isPuttingOff(from: Uint8Array): boolean {
    return this.#waiting.putOffUntilMs(from) > this.#context.waits();
  }

  /** A staged row was committed; it runs when nothing before it is missing, or after a wait. */
  add(entry: InboxEntry): void {
    const inOrderMs = this.#context.waits() + AGENT_LIMITS.inOrderMs;
    const inTurnMs = Math.max(inOrderMs, this.#waiting.putOffUntilMs(entry.row.from));
    // A request waits for nothing before it: its caller may have asked for others beside it.
    const dueMs = entry.request === null ? inTurnMs : 0;
    this.#waiting.add(entry, dueMs, true);
    this.#around.arrived(entry);
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
    const entry = { ...entryOf(key, row), redelivered: false };
    this.#take(entry);
    this.#around.arrived(entry);
    this.#kick();
  }

  /** Nothing of this source of this sender is missing up to `mark`. */
  advance(from: Uint8Array, source: string, mark: number): void {
    this.#waiting.advance(from, source, mark);
    this.#kick();
  }

  /**
   * Adds a handler behind the others; the returned function removes it. A loop keeps no process
   * running while it does not ask for the next message. Throws BAD_OPTION.
   */
  addHandler(handler: Handler, options: HandlerOptions = {}, kind?: HandlerKind): () => void {
    const remove = this.#handlers.add(handler, options, kind);
    this.#kick();
    return remove;
  }

  /** Adds a handler of requests; see `RequestServer.add`. */
  addServed(op: string, handler: ServedHandler): () => void {
    const remove = this.#server.add(op, handler);
    handler.places.onRoom = () => this.#kick();
    this.#kick();
    return () => {
      remove();
      this.#updateHold();
    };
  }

  /** A request that waits or runs. */
  findRequest(from: Uint8Array, id: string): Waiting | null {
    return this.#waiting.find(from, ({ request }) => request?.id === id);
  }

  /** Its row is gone: it does not run, and if it does, it is told to stop. */
  cancel(item: Waiting, reason: AgentError): void {
    item.controller?.abort(reason);
    this.#waiting.remove(item);
    this.#updateHold();
  }

  /** Resolves when the run that has this message has ended and is committed. */
  async decided(message: Message): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#deciders.set(message, resolve);
    const counts = await promise;
    await this.#rows.committed();
    if (!counts) throw new AgentError('CLOSED');
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
    for (const item of this.#waiting.running()) endRun(this.#context, item, reason);
  }

  async #idle(): Promise<void> {
    this.#server.close();
    while (this.#filling !== null || this.#runs.size > 0) {
      await this.#filling;
      await Promise.all(this.#runs);
    }
  }

  /** A message that a handler is to see keeps the process running, also while it waits. */
  #updateHold(): void {
    const isWork = this.#isReady && this.#waiting.size > 0;
    const { inLoops } = this.#handlers;
    const isLoops = inLoops > 0 && inLoops === this.#runs.size;
    this.#holder(isWork && !this.#isOver && !isLoops);
  }

  /** There is a handler of some kind. */
  get #isReady(): boolean {
    return this.#handlers.size > 0 || this.#server.isServing;
  }

  /** Nothing begins any more. */
  get #isOver(): boolean {
    return this.#stopped || this.#finishing;
  }

  /** Something that kept messages from running is over. */
  wake(): void {
    this.#kick();
  }

  #kick(): void {
    this.#updateHold();
    if (this.#isOver || !this.#isReady) return;
    this.#filling ??= this.#fill();
  }

  /** Begins whatever may run now. */
  async #fill(): Promise<void> {
    // One turn later, so that a handler added in the same turn is not missed.
    await Promise.resolve();
    this.#filling = null;
    for (let item = this.#next(); item !== null; item = this.#next()) this.#begin(item);
    this.#wakeLater();
    this.#updateHold();
  }

  #begin(item: Waiting): void {
    const isRequest = this.#isServed(item);
    const places = isRequest ? this.#server.placesFor(item.entry.request.ask) : null;
    this.#waiting.begin(item, this.#choice().isOrdered(item), places);
    if (isRequest) this.#requestRuns += 1;
    const run = this.#run(item, isRequest).finally(() => {
      if (isRequest) this.#requestRuns -= 1;
      this.#waiting.end(item);
      this.#runs.delete(run);
      this.#kick();
    });
    this.#runs.add(run);
  }

  async #run(item: Waiting, isRequest: boolean): Promise<void> {
    try {
      await this.#handle(item, isRequest);
    } catch (error) {
      this.#context.store.fail(error);
    }
  }

  #next(): Waiting | null {
    if (this.#isOver) return null;
    const nowMs = this.#context.waits();
    const { isOrdered, mayRun } = this.#choice();
    const isDue = ({ dueMs, attempts, isPutOff }: Waiting): boolean =>
      dueMs <= nowMs || (this.#draining && attempts === 0 && !isPutOff);
    return this.#waiting.next({ isOrdered, mayRun: (item) => isDue(item) && mayRun(item) });
  }

  /** What all handlers together allow now. */
  #choice(): Choice {
    const { concurrency, isOrdered } = this.#handlers;
    const isRoom = this.#runs.size - this.#requestRuns < concurrency;
    return {
      isOrdered: (item) =>
        this.#isServed(item) ? this.#server.isOrdered(item.entry.request.ask) : isOrdered,
      mayRun: (item) =>
        (this.#isServed(item) ? this.#server.hasPlaceFor(item.entry) : isRoom) &&
        this.#around.mayRun(item.entry),
    };
  }

  /** Whether an item goes to the handlers of requests. */
  #isServed(item: Waiting): item is WaitingRequest {
    return item.entry.request !== null && this.#server.isServing;
  }

  #wakeLater(): void {
    this.#cancelWake?.();
    this.#cancelWake = null;
    if (this.#isOver) return;
    // Where there is no room, a run that ends looks for the next one itself.
    const atMs = this.#waiting.nextDueMs(this.#choice());
    if (atMs === Infinity) return;
    const delayMs = Math.max(0, atMs - this.#context.waits());
    this.#cancelWake = this.#context.runtime.schedule(delayMs, () => this.#kick());
  }

  async #handle(item: Waiting, isRequest: boolean): Promise<void> {
    const { entry, controller } = item;
    if (controller === null) return;
    item.attempts += 1;
    const attempt = item.attempts;
    // A run that kills the process must count: its row has come back from an earlier one.
    const isMailbox = !isRequest && entry.redelivered && this.#handlers.isOnlyMailbox;
    if (entry.redelivered && !isMailbox) await countRun(this.#context, item);
    if (controller.signal.aborted) return;
    if (attempt > AGENT_LIMITS.handlerAttempts) return this.#setAside(item);
    const message = this.#read(entry.row, seenOf(item), controller.signal);
    if (isRequest) return this.#serve(item, message);
    const errors = await this.#surrounded(item, { message, attempt, controller });
    try {
      // Too late to be kept: the message comes again.
      if (this.#stopped) return;
      if (errors.some((error) => error instanceof GivenBack)) return void (item.attempts -= 1);
      // Held while it ran: it waits like those behind it.
      if (errors.length > 0 && !this.#around.mayRun(entry)) return this.#notNow(item);
      const refusal = errors.find(isRefusal);
      if (refusal !== undefined) return this.#done(item, refusedBy(refusal));
      if (errors.length === 0) return this.#done(item, HANDLED);
      const deadLettered = attempt >= AGENT_LIMITS.handlerAttempts;
      if (deadLettered) await this.#setAside(item);
      else await this.#later(item, isMailbox);
      for (const error of errors) {
        tellOfFailure(this.#context, { error, message, attempt, deadLettered });
      }
    } finally {
      this.#deciders.get(message)?.(!this.#stopped);
    }
  }

  /** The server commits the answer with the end of the row; what it cannot answer now stays. */
  async #serve(item: Waiting, message: Message): Promise<void> {
    const isGone = await this.#server.serve(item, message, (task) => runInside(this, task));
    if (this.#stopped) return;
    if (isGone) this.#waiting.remove(item);
    else this.#notNow(item);
  }

  /** The run does not count. */
  #notNow(item: Waiting): void {
    this.#waiting.putOffRun(item, this.#context.waits() + AGENT_LIMITS.handlerRetryMs);
  }

  /** The handlers and what is around them; gives what they threw, or what kept them from it. */
  async #surrounded({ entry, content }: Waiting, run: Run): Promise<unknown[]> {
    const { message, attempt } = run;
    let errors: unknown[] = [];
    try {
      // Middleware, too, may close its agent.
      await runInside(this, () =>
        this.#around.handle({ entry, message, attempt, request: null }, async () => {
          errors = await this.#handlers.run(content, run, entry.request);
          if (errors.length > 0) throw errors[0];
        }),
      );
      return [];
    } catch (error) {
      return errors.includes(error) ? errors : [error];
    }
  }

  #done(item: Waiting, ending: Ending): void {
    this.#rows.end(item.entry, ending);
    this.#waiting.remove(item);
  }

  async #later(item: Waiting, isMailbox: boolean): Promise<void> {
    if (!item.entry.redelivered || isMailbox) await keepRuns(this.#context, item);
    const waitMs = AGENT_LIMITS.handlerRetryMs * 2 ** (item.attempts - 1);
    item.dueMs = this.#context.waits() + waitMs;
  }

  async #setAside(item: Waiting): Promise<void> {
    await this.#rows.setAside(item);
    if (item.entry.request !== null) await this.#server.forget(item.entry.request);
    this.#waiting.remove(item);
  }
}
