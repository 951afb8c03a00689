/**
 * What surrounds the handlers of an application: middleware, the guard against loops, the trace.
 * Owns this seam; what stands behind it is handed in from above, by `around`.
 */
import type { Ask } from '../message/ask.js';
import type { Message } from '../message/message.js';
import type { InboxEntry } from './waiting-messages.js';

/** A message that its handlers are about to get. */
export interface Handled {
  readonly entry: InboxEntry;
  readonly message: Message;
  /** Runs begun, this one included. */
  readonly attempt: number;
  /** Null for a plain message. */
  readonly request: {
    readonly ask: Ask;
    /** The deadline by our clock. */
    readonly byMs: number;
  } | null;
}

/** One per agent. */
export interface Surroundings {
  /** Takes up what an earlier run left. */
  load(): Promise<void>;
  /** A message is committed, and waits for its turn. */
  arrived(entry: InboxEntry): void;
  /** A peer is forgotten, with all its rows. */
  forgotten(aid: Uint8Array): void;
  /** Whether a message that waits may run now. */
  mayRun(entry: InboxEntry): boolean;
  /**
   * Runs a task of handlers; gives what it gave, or what stands in for it. Rejects with what the
   * task rejects with, or with why it is not run, which means what it means in a handler.
   */
  handle(handled: Handled, task: () => Promise<unknown>): Promise<unknown>;
}
