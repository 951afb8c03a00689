/**
 * What stands between an agent's public calls and its machinery: each message that is handled and
 * each that is sent goes through here (docs/decisions/0060-around-messages.md). Owns the order of
 * its parts: loop guard, call context, trace, middleware, and the schema of plain messages.
 */
import { check, ContractError } from '@agentmesh/contract';
import type { Schema } from '@agentmesh/contract';
import type { AgentContext } from '../agent-context.js';
import { guardOf } from '../calls/contract-server.js';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { TraceContext } from '../ground/tracing.js';
import { tellOfSlowness } from '../handling/handlers.js';
import type { Handled, Surroundings } from '../handling/surroundings.js';
import type { InboxEntry } from '../handling/waiting-messages.js';
import type { Way } from '../message/way.js';
import { currentCall, handling } from './call-context.js';
import type { CallContext } from './call-context.js';
import { IncomingContext } from './incoming.js';
import { LoopGuard } from './loop-guard.js';
import type { OnLoop } from './loop-guard.js';
import { Layers } from './onion.js';
import { OutgoingContext } from './outgoing.js';
import type { Leaving } from './outgoing.js';

/** What an application chooses. */
export interface AroundOptions {
  /** What plain messages must fit; null: anything. */
  readonly accepts: Schema | null;
  readonly onLoop: OnLoop;
}

/** What a message answers: nothing, or another one by its own account. */
export interface Answered {
  readonly way: Way;
  /** Address of its sender. */
  readonly sender: string;
}

/** The way that a message is about to take. */
export interface NextWay extends Way {
  /** No request that belongs to it may last longer, by our clock. */
  readonly byMs: number;
}

/** One per agent. */
export class Around implements Surroundings {
  readonly incoming = new Layers<IncomingContext>();
  readonly outgoing = new Layers<OutgoingContext>();
  readonly #options: AroundOptions;
  #running: { readonly context: AgentContext; readonly loops: LoopGuard } | null = null;

  constructor(options: AroundOptions) {
    this.#options = options;
  }

  /** Becomes that of an agent which is about to run; `wake`: messages may run that were held. */
  attach(context: AgentContext, wake: () => void): this {
    this.#running = { context, loops: new LoopGuard(context, this.#options.onLoop, wake) };
    return this;
  }

  get #context(): AgentContext {
    return this.#attached.context;
  }

  /** The guard against agents that answer each other. */
  get loops(): LoopGuard {
    return this.#attached.loops;
  }

  get #attached() {
    if (this.#running === null) throw new AgentError('CLOSED');
    return this.#running;
  }

  load(): Promise<void> {
    return this.loops.load();
  }

  arrived({ row, way, request }: InboxEntry): void {
    this.loops.heard(row.from, way, request !== null);
  }

  forgotten(aid: Uint8Array): void {
    this.loops.forget(aid);
  }

  /** What a person wrote or asks is never held. */
  mayRun({ row, way, request }: InboxEntry): boolean {
    return !way.isAutomatic || request !== null || !this.loops.isHeld(row.from);
  }

  async handle(handled: Handled, task: () => Promise<unknown>): Promise<unknown> {
    const { entry, message, request } = handled;
    const { hops, origin, trace } = entry.way;
    if (hops > AGENT_LIMITS.hops) throw new AgentError('LOOP', `${hops} led to this one`);
    const { address: sender } = message;
    const byMs = request?.byMs ?? Infinity;
    const context: CallContext = { byMs, hops, origin: origin ?? sender, trace, sender };
    return handling(context, async () => {
      if (this.incoming.isEmpty) return this.#checked(handled, task);
      return this.#throughMiddleware(handled, () => this.#checked(handled, task));
    });
  }

  /** Handlers that take long say so themselves; a layer that hangs is told of here. */
  async #throughMiddleware(handled: Handled, task: () => Promise<unknown>): Promise<unknown> {
    const { runtime } = this.#context;
    let isInside = handled.request !== null;
    const cancel = runtime.schedule(AGENT_LIMITS.handlerSlowMs, () => {
      if (!isInside) tellOfSlowness(this.#context, handled);
    });
    try {
      return await this.incoming.run(new IncomingContext(handled, runtime.steady), () => {
        isInside = true;
        return task();
      });
    } finally {
      cancel();
    }
  }

  async #checked({ message, request }: Handled, task: () => Promise<unknown>): Promise<unknown> {
    const accepts = request === null ? this.#options.accepts : null;
    if (accepts === null) return task();
    try {
      await check(accepts, message.payload, 'BAD_PAYLOAD', guardOf(this.#context.runtime));
    } catch (error) {
      if (!(error instanceof ContractError) || error.code !== 'BAD_PAYLOAD') throw error;
      throw new AgentError('REFUSED', error.detail, error);
    }
    return task();
  }

  /**
   * The way of what is sent now: on from the message that the caller handles, or that it answers.
   * `auto` false: a person has written it, and nothing led to it. Throws LOOP.
   */
  nextWay(auto: boolean | undefined, answered: Answered | null = null): NextWay {
    const around = currentCall();
    const { byMs = Infinity, trace = answered?.way.trace ?? null } = around ?? {};
    if (auto === false || (around === null && answered === null)) {
      return { hops: 0, origin: null, isAutomatic: auto === true, trace, byMs };
    }
    const hops = Math.max(around?.hops ?? 0, answered?.way.hops ?? 0) + 1;
    if (hops > AGENT_LIMITS.hops) throw new AgentError('LOOP', `it would be number ${hops + 1}`);
    const origin = around?.origin ?? answered?.way.origin ?? answered?.sender ?? null;
    return { hops, origin, isAutomatic: true, trace, byMs };
  }

  /**
   * Sends what has passed the middleware; rejects with NOT_SENT where that keeps it. `endOf`: the
   * end of what outlives its sending.
   */
  async send<Result>(
    leaving: Leaving,
    task: (payload: unknown, trace: TraceContext | null) => Promise<Result>,
    endOf: (result: Result) => Promise<Error | null> = () => Promise.resolve(null),
  ): Promise<Result> {
    if (this.outgoing.isEmpty) return task(leaving.payload, leaving.trace);
    const { promise: ended, resolve: end } = Promise.withResolvers<Error | null>();
    const context = new OutgoingContext(leaving, ended, this.#context.runtime.steady);
    const sent: { result: Result }[] = [];
    try {
      await this.outgoing.run(context, async () => {
        sent.push({ result: await task(context.payload, context.trace) });
      });
      const [first] = sent;
      if (first === undefined) throw new AgentError('NOT_SENT');
      end(endOf(first.result));
      return first.result;
    } catch (error) {
      end(error instanceof Error ? error : new AgentError('NOT_SENT', undefined, error));
      throw error;
    }
  }
}
