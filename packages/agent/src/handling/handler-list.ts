/**
 * The handlers of plain messages, and one message going through all of them. Owns their list and
 * what they allow together; which message comes next is `dispatcher`'s.
 */
import type { AgentContext } from '../agent-context.js';
import { runInside } from '../ground/inside.js';
import { startDeadline } from './deadline.js';
import {
  enterHandler,
  isOnlyMailbox,
  isRefusal,
  leaveHandler,
  registered,
  runWithin,
} from './handlers.js';
import type { Handler, HandlerKind, HandlerOptions, Registered, Run } from './handlers.js';
import type { InboxEntry } from './waiting-messages.js';

/** The handlers of one agent. */
export class HandlerList {
  readonly #context: AgentContext;
  readonly #owner: object;
  readonly #onChange: () => void;
  readonly #handlers = new Set<Registered>();
  #inLoops = 0;

  /** Handlers are part of the work of `owner`; `onChange`: a loop has got a message or left one. */
  constructor(context: AgentContext, owner: object, onChange: () => void) {
    this.#context = context;
    this.#owner = owner;
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#handlers.size;
  }

  /** Runs in which a loop of the program has the message, or is to have it. */
  get inLoops(): number {
    return this.#inLoops;
  }

  /** Messages that they may have at once. */
  get concurrency(): number {
    let most = 0;
    for (const { concurrency } of this.#handlers) most = Math.max(most, concurrency);
    return most;
  }

  /** Whether the messages of one sender run one after the other. */
  get isOrdered(): boolean {
    for (const { isOrdered } of this.#handlers) if (isOrdered) return true;
    return false;
  }

  /** Whether all of them only keep messages until somebody takes them. */
  get isOnlyMailbox(): boolean {
    return isOnlyMailbox(this.#handlers);
  }

  /** Adds a handler behind the others; the returned function removes it. Throws BAD_OPTION. */
  add(handler: Handler, options: HandlerOptions, kind?: HandlerKind): () => void {
    // A function added twice runs twice and is removed once each.
    const own = registered(handler, options, kind);
    this.#handlers.add(own);
    return () => {
      this.#handlers.delete(own);
      this.#onChange();
    };
  }

  /**
   * Every handler that was not content with it before, in order; gives what they threw. Rejects
   * with REFUSED where it is a request whose deadline is over.
   */
  async run(content: Set<object>, run: Run, request: InboxEntry['request']): Promise<unknown[]> {
    const { controller } = run;
    const cancel = request === null ? null : startDeadline(this.#context, request, controller);
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
        if (isRefusal(error) || controller.signal.aborted) break;
      }
    }
    cancel?.();
    return errors;
  }

  async #runOne(handler: Registered, run: Run): Promise<void> {
    if (handler.isLoop) this.#inLoops += 1;
    this.#onChange();
    await enterHandler(handler);
    try {
      await runInside(this.#owner, () =>
        runWithin(this.#context, handler, run, () => handler.run(run.message)),
      );
    } finally {
      leaveHandler(handler);
      if (handler.isLoop) this.#inLoops -= 1;
      this.#onChange();
    }
  }
}
