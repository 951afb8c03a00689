/**
 * What an agent needs for requests, put together: those that it makes, those that it answers, and
 * the choice what of a received message belongs to which. Owns their order of starting and ending.
 */
import type { AgentContext } from '../agent-context.js';
import { OutgoingCalls } from '../calls/outgoing-calls.js';
import { RequestServer } from '../calls/request-server.js';
import type { AgentError } from '../ground/errors.js';
import type { Surroundings } from '../handling/surroundings.js';
import type { Deliveries } from '../sending/deliveries.js';
import type { Post, Posted } from '../sending/post.js';
import type { Sender } from '../sending/sender.js';
import type { Transmitter } from '../sending/transmitter.js';
import type { RowSweeper } from '../store/row-sweeper.js';

/** What requests are made of. */
interface CallSideParts {
  readonly context: AgentContext;
  readonly sweeper: RowSweeper;
  readonly deliveries: Deliveries;
  readonly sender: Sender;
  readonly transmitter: Transmitter;
  readonly post: (to: Uint8Array, message: Post) => Promise<Posted>;
  readonly around: Surroundings;
}

/** Requests of one agent, in both directions. */
export class CallSide {
  readonly outgoing: OutgoingCalls;
  readonly server: RequestServer;

  constructor(parts: CallSideParts) {
    const { context, sweeper, deliveries, sender, transmitter, post, around } = parts;
    this.outgoing = new OutgoingCalls({
      context,
      sweeper,
      deliveries,
      post,
      tell: (to, draft) => sender.tell(to, () => draft),
      turn: (to, task) => sender.turn(to, task),
      withdraw: (envelopeId, reason) => transmitter.withdraw(envelopeId, reason),
    });
    const isFullFor = (aid: Uint8Array): boolean => transmitter.isFullFor(aid);
    this.server = new RequestServer({ context, sender, sweeper, isFullFor, around });
  }

  async load(): Promise<void> {
    await this.server.load();
    await this.outgoing.load();
  }

  /** What is kept for a time only. */
  async sweep(): Promise<void> {
    this.outgoing.sweep();
    await this.server.sweep();
  }

  stop(reason: AgentError): void {
    this.outgoing.stop(reason);
  }
}
