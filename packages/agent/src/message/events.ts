/**
 * What an agent tells besides messages, and the typed emitter that tells it. Owns the list of
 * events and their shapes; never keys, payloads or tokens.
 */
import type { AgentMeshError, SequenceRange } from '@agentmesh/crypto';
import type { Message } from './message.js';
import type { OutcomeState } from '../conversation/outcome.js';

/** Events by name. `address` is the `am2…` form of an identity. */
export interface AgentEvents {
  /** A peer was pinned on the hub's word: compare fingerprints to be sure. */
  firstContact: { readonly peer: string; readonly address: string; readonly fingerprint: string };
  /** A name leads to another identity: both directions are blocked until `trust` is called. */
  identityChanged: { readonly peer: string; readonly pinned: string; readonly shown: string };
  /** A peer changed its identity, and the previous one has signed for it: followed (§2.13). */
  identityRotated: {
    readonly peer: string;
    readonly address: string;
    readonly fingerprint: string;
    /** `am2…` of the identity before. */
    readonly previous: string;
  };
  /** The owner of a peer has revoked its identity for good; `reason` as in the record (§2.13). */
  peerRevoked: {
    readonly peer: string;
    readonly address: string;
    readonly reason: number;
    readonly timeMs: number;
  };
  /** A peer lost its store or runs twice. `held`: strict trust waits for `trust`. */
  peerInstanceChanged: { readonly peer: string; readonly address: string; readonly held: boolean };
  /** Two messages carry one sequence number, or one position of a session: the peer runs twice. */
  cloneOrRollback: { readonly peer: string; readonly address: string };
  /** A message could not be opened. `reset`: a new session was begun to ask for it again. */
  undecryptable: { readonly address: string; readonly code: string; readonly reset: boolean };
  /**
   * A stranger has written, and its messages wait: call `contacts.accept` or `contacts.deny`.
   * `preview` is its first message for a model or a person, fenced and cut.
   */
  contactRequest: {
    readonly peer: string;
    readonly address: string;
    readonly fingerprint: string;
    readonly preview: string;
  };
  /** A peer has joined with an invite of ours: it is verified, and reaches the handlers. */
  joined: { readonly peer: string; readonly address: string; readonly fingerprint: string };
  /** A message was refused for good. */
  refused: { readonly address: string; readonly code: string };
  /**
   * Messages of a peer are missing: `asked` for again, or `lost`, since the peer will not send them
   * again. A lost one still arrives if it was in transit all the time.
   */
  gap: {
    readonly peer: string;
    readonly state: 'asked' | 'lost';
    readonly ranges: readonly SequenceRange[];
  };
  /**
   * A step of a message that this agent sent (protocol.md §2.10): stored here, stored at the hub,
   * stored by the peer, and what its handlers made of it; or given up. `waiting`: the hub does not
   * take it now, or says that somebody at the peer has to decide first, such as about your changed
   * identity. `delivered` and what follows come from the peer itself. `reason`: of a refusal, or
   * the code of an error.
   */
  outgoing: {
    readonly id: string;
    readonly peer: string;
    readonly address: string;
    readonly state:
      'queued' | 'waiting' | 'accepted' | 'delivered' | OutcomeState | 'expired' | 'rejected';
    readonly reason: string | null;
  };
  /** Keys of missing messages were dropped at their limit: those messages must be sent again. */
  keysDropped: { readonly peer: string; readonly count: number };
  /**
   * The hub has given up a message of this run. That is not its end: the peer may have it already,
   * and is asked; what it misses is sent again. `outgoing` tells the end.
   */
  undelivered: {
    readonly id: string;
    readonly peer: string;
    readonly reason: 'expired' | 'dead_lettered';
  };
  /** This agent's own store went back in time: every session begins again. */
  storeRollback: { readonly boot: number };
  /** Another process connected with this identity: this agent stays offline. */
  displaced: { readonly peer: string };
  /**
   * The connection to the hub: up, lost for now, or ended for good. `error` says why; an agent that
   * is `offline` reconnects automatically.
   */
  connection: {
    readonly state: 'online' | 'offline' | 'ended';
    readonly error: AgentMeshError | null;
  };
  /** A handler failed; the message comes again unless it was the last attempt. */
  handlerError: {
    readonly error: unknown;
    readonly message: Message;
    readonly attempt: number;
    readonly deadLettered: boolean;
  };
  /**
   * This agent and a peer have sent each other so many automatic messages in `withinMs`, with no
   * person and no request in between. Unless `onLoop` is `tell`, further ones are held until
   * somebody calls `releaseLoop`, or a person writes; told again when the agent starts.
   */
  loopSuspected: {
    readonly peer: string;
    readonly address: string;
    readonly messages: number;
    readonly withinMs: number;
  };
  /** An answer to a request that this store does not know: it was lost, or read long ago. */
  orphanReply: { readonly id: string; readonly peer: string; readonly replyTo: string };
  /** A handler has had a message for `elapsedMs`; told once for each run, which goes on. */
  handlerSlow: {
    readonly message: Message;
    readonly attempt: number;
    readonly elapsedMs: number;
  };
  /** The agent stopped because its store failed. */
  stopped: { readonly error: AgentMeshError };
}

type Listener<Name extends keyof AgentEvents> = (event: AgentEvents[Name]) => void;

/** Calls listeners in the order in which they came; one that throws does not stop the others. */
export class EventEmitter {
  readonly #listeners = new Map<keyof AgentEvents, Set<(event: never) => void>>();
  readonly #onListenerError: (error: unknown) => void;
  /** What happened before anybody could listen; null once everybody could. */
  #held: (() => void)[] | null = [];

  constructor(onListenerError: (error: unknown) => void) {
    this.#onListenerError = onListenerError;
  }

  /** Adds a listener; the returned function removes it. */
  on<Name extends keyof AgentEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** Whether anybody listens, or still may before it is told. */
  isHeard(name: keyof AgentEvents): boolean {
    return this.#held !== null || (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Tells what was held back: to be called once the agent has been handed out. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const tell of held) tell();
  }

  emit<Name extends keyof AgentEvents>(name: Name, event: AgentEvents[Name]): void {
    if (this.#held !== null) {
      this.#held.push(() => this.emit(name, event));
      return;
    }
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        (listener as Listener<Name>)(event);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }
}
