/**
 * What becomes of messages on their way: promises kept by the peer's own authenticated receipts,
 * broken when a message is given up, and the event that tells of each step (protocol.md §2.10).
 * Owns the waiting, in memory; acknowledgements themselves are rows of the peer.
 */
import { addressOf, toHex } from '@agentmesh/crypto';
import type { AgentMeshError, SequenceRange } from '@agentmesh/crypto';
import { awaitable } from '../ground/awaited-promise.js';
import type { Awaitable } from '../ground/awaited-promise.js';
import { AgentError } from '../ground/errors.js';
import type { KeepAlive } from '../ground/keep-alive.js';
import type { AgentEvents, EventEmitter } from '../message/events.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { Outcome } from '../conversation/outcome.js';

/** Where a message of ours belongs. */
export interface Sent {
  /** aid and pinned name of the peer. */
  readonly aid: Uint8Array;
  readonly peer: string;
  /** Our epoch and number in the conversation. */
  readonly epoch: number;
  readonly number: number;
  /** msgId in hex, as the application knows it. */
  readonly id: string;
  /** For how long its sender wants it, if it has said so. */
  readonly ttlMs?: number | undefined;
}

/** The two promises of one message. Neither is ever an unhandled rejection. */
export interface Promises {
  readonly delivered: Promise<void>;
  readonly handled: Promise<void>;
}

interface Waiter {
  readonly sent: Sent;
  /** In hex; null for a message that goes by hand. */
  readonly envelope: string | null;
  /** On a clock that nobody sets. */
  readonly sentMs: number;
  readonly delivered: Awaitable;
  readonly handled: Awaitable;
}

/** What is awaited of one peer. */
interface Awaited {
  /** By epoch and number, ascending: until the peer has it, or it is given up. */
  readonly numbers: Map<string, Waiter>;
  /** By message id: until its outcome is known. In the order in which they were sent. */
  readonly ids: Map<string, Waiter>;
  /** By epoch and number: the peer has told what became of it, and misses earlier ones. */
  readonly ahead: Map<string, Pick<Sent, 'epoch' | 'number'>>;
}

type Step = AgentEvents['outgoing'];

/** All that is awaited of all peers. */
export class Deliveries {
  readonly #events: EventEmitter;
  readonly #steady: () => number;
  readonly #keepAlive: KeepAlive;
  /** By aid in hex. */
  readonly #awaited = new Map<string, Awaited>();
  /** By message id: what has to be said again. */
  readonly #takenBack = new Map<string, Waiter>();
  /** By envelope id in hex: as long as in `numbers`. */
  readonly #envelopes = new Map<string, Waiter>();

  constructor(parts: {
    readonly events: EventEmitter;
    /** A clock that nobody sets: how long something has been awaited. */
    readonly steady: () => number;
    readonly keepAlive: KeepAlive;
  }) {
    this.#events = parts.events;
    this.#steady = parts.steady;
    this.#keepAlive = parts.keepAlive;
  }

  /** A message is to be committed here: what the caller may await of it. */
  expect(sent: Sent, envelopeId: Uint8Array | null): Promises {
    const envelope = envelopeId === null ? null : toHex(envelopeId);
    const waiter: Waiter = {
      sent,
      envelope,
      sentMs: this.#steady(),
      delivered: awaitable(() => this.#keepAlive.hold()),
      handled: awaitable(() => this.#keepAlive.hold()),
    };
    const awaited = this.#awaitedOf(sent.aid);
    awaited.numbers.set(positionOf(sent), waiter);
    awaited.ids.set(sent.id, waiter);
    if (envelope !== null) this.#envelopes.set(envelope, waiter);
    this.#bound(awaited);
    return { delivered: waiter.delivered.promise, handled: waiter.handled.promise };
  }

  /** It never left, and is to be said again: no acknowledgement of its number means it. */
  takenBack(place: Pick<Sent, 'aid' | 'epoch' | 'number'>): void {
    const numbers = this.#awaited.get(toHex(place.aid))?.numbers;
    const waiter = numbers?.get(positionOf(place));
    if (waiter === undefined) return;
    numbers?.delete(positionOf(place));
    this.#takenBack.set(waiter.sent.id, waiter);
  }

  /** It was said again, at another place. */
  saidAnew({ aid, id }: Pick<Sent, 'aid' | 'id'>, place: Pick<Sent, 'aid' | 'epoch' | 'number'>) {
    const waiter = this.#takenBack.get(id);
    if (waiter === undefined) return;
    this.#takenBack.delete(id);
    this.#awaited.get(toHex(aid))?.ids.delete(id);
    const moved = { ...waiter, sent: { ...waiter.sent, ...place } };
    const awaited = this.#awaitedOf(place.aid);
    awaited.numbers.set(positionOf(place), moved);
    awaited.ids.set(id, moved);
    if (waiter.envelope !== null) this.#envelopes.set(waiter.envelope, moved);
  }

  /** It was committed here. */
  queued(sent: Sent): void {
    this.#tell(sent, 'queued');
  }

  /** The hub has it durably. */
  accepted(sent: Sent): void {
    this.#tell(sent, 'accepted');
  }

  /** The hub does not take it now, and says why; it is tried again. */
  waiting(sent: Sent, reason: string): void {
    this.#tell(sent, 'waiting', reason);
  }

  /** The peer has everything of this epoch up to this number. */
  acknowledged(aid: Uint8Array, epoch: number, upTo: number): void {
    this.#upTo({ aid, epoch }, upTo, (waiter) => this.#deliver(waiter));
    const ahead = this.#awaited.get(toHex(aid))?.ahead;
    for (const [position, sent] of ahead ?? []) {
      if (isUpTo(sent, epoch, upTo)) ahead?.delete(position);
    }
    this.#forgetIfIdle(aid);
  }

  /** The peer has one message, whatever came before it. */
  had(sent: Sent): void {
    const waiter = this.#awaited.get(toHex(sent.aid))?.numbers.get(positionOf(sent));
    if (waiter === undefined) return this.#tell(sent, 'delivered');
    this.#deliver(waiter);
    this.#forgetIfIdle(sent.aid);
  }

  /** Peers whose receipts are awaited by this run. */
  awaited(): Uint8Array[] {
    return [...this.#awaited.values()].flatMap(({ numbers }) => {
      const [first] = numbers.values();
      return first === undefined ? [] : [first.sent.aid];
    });
  }

  /** Whether a receipt for this number is awaited by this run, or has been told by it. */
  isAwaited(aid: Uint8Array, epoch: number, number: number): boolean {
    const position = positionOf({ epoch, number });
    const { numbers, ahead } = this.#awaited.get(toHex(aid)) ?? {};
    return numbers?.has(position) === true || ahead?.has(position) === true;
  }

  /** Messages that are awaited by this run, of this epoch up to this number. */
  idsUpTo(aid: Uint8Array, epoch: number, upTo: number): string[] {
    const waiting = [...(this.#awaited.get(toHex(aid))?.numbers.values() ?? [])];
    return waiting.flatMap(({ sent }) =>
      sent.epoch === epoch && sent.number <= upTo ? [sent.id] : [],
    );
  }

  /** What the run before had learnt, and may not have told. */
  toldEarlier({
    aid,
    peer,
    ...step
  }: Pick<Sent, 'aid' | 'peer'> & Pick<Step, 'id' | 'state' | 'reason'>): void {
    this.#tell({ aid, peer, id: step.id }, step.state, step.reason);
  }

  /** The peer has a message of an earlier run of ours. */
  acknowledgedEarlier(sent: Sent): void {
    this.#tell(sent, 'delivered');
  }

  /**
   * The peer says what became of a message; `peer` is its pinned name, `aids` its identity and
   * those that it has followed, to one of which the message went.
   */
  ended(aids: readonly Uint8Array[], peer: string, { msgId, state, reason }: Outcome): void {
    const id = toHex(msgId);
    const aid = aids.find((each) => this.#awaited.get(toHex(each))?.ids.has(id)) ?? aids[0];
    if (aid === undefined) return;
    const awaited = this.#awaitedOf(aid);
    const waiter = awaited.ids.get(id);
    if (waiter !== undefined) {
      // Whoever tells of it has it, though earlier ones may still be missing there.
      const position = positionOf(waiter.sent);
      if (awaited.numbers.has(position)) {
        this.#deliver(waiter);
        awaited.ahead.set(position, waiter.sent);
      }
      // Held, it waits there for a person: its end is still to come.
      if (state !== 'held') awaited.ids.delete(id);
      if (state === 'handled') waiter.handled.resolve();
      else if (state !== 'held') waiter.handled.reject(outcomeError(state, reason));
    }
    this.#tell({ aid, peer, id }, state, reason === '' ? null : reason);
    this.#forgetIfIdle(aid);
  }

  /** One message was given up: refused by the hub, expired, or never taken by the peer. */
  failed(sent: Sent, state: 'expired' | 'rejected' | 'cancelled', error: AgentMeshError): void {
    const awaited = this.#awaitedOf(sent.aid);
    const waiter = awaited.numbers.get(positionOf(sent));
    if (waiter === undefined) return;
    waiter.delivered.reject(error);
    waiter.handled.reject(error);
    this.#received(waiter);
    awaited.ids.delete(sent.id);
    this.#tell(sent, state, error.code);
    this.#forgetIfIdle(sent.aid);
  }

  /** Contents of this epoch below this number are too old to be kept. */
  dropped(position: Pick<Sent, 'aid' | 'epoch'>, below: number, error: AgentMeshError): void {
    this.#upTo(position, below - 1, ({ sent }) => this.failed(sent, 'expired', error));
  }

  /** The peer misses these numbers of this epoch, and they cannot be sent again. */
  lost(
    { aid, epoch }: Pick<Sent, 'aid' | 'epoch'>,
    ranges: readonly SequenceRange[],
    error: AgentMeshError,
  ): void {
    const waiting = [...(this.#awaited.get(toHex(aid))?.numbers.values() ?? [])];
    for (const { sent } of waiting) {
      const isMissing = ranges.some(({ from, to }) => sent.number >= from && sent.number <= to);
      if (sent.epoch === epoch && isMissing) this.failed(sent, 'expired', error);
    }
  }

  /** A message of an earlier run of ours was given up: nobody waits, but somebody may listen. */
  failedEarlier(
    sent: Sent,
    state: 'expired' | 'rejected' | 'cancelled',
    error: AgentMeshError,
  ): void {
    this.#tell(sent, state, error.code);
  }

  /**
   * What was sent longer ago than this, and no content is kept whose age would tell: it was one of
   * too many, or it ended with a store that went back or with a former identity.
   */
  expire(ageMs: number, error: AgentMeshError): void {
    const nowMs = this.#steady();
    const isOver = ({ sent, sentMs }: Pick<Waiter, 'sent' | 'sentMs'>): boolean =>
      nowMs - sentMs > Math.max(ageMs, sent.ttlMs ?? 0);
    const waiting = [...this.#awaited.values()].flatMap(({ numbers }) => [...numbers.values()]);
    for (const waiter of waiting) {
      if (isOver(waiter)) this.failed(waiter.sent, 'expired', error);
    }
    for (const [id, waiter] of this.#takenBack) {
      if (!isOver(waiter)) continue;
      const { sent, delivered, handled } = waiter;
      this.#takenBack.delete(id);
      this.#awaitedOf(sent.aid).ids.delete(id);
      delivered.reject(error);
      handled.reject(error);
      this.#tell(sent, 'expired', error.code);
      this.#forgetIfIdle(sent.aid);
    }
  }

  /** Nothing is awaited of this peer any more. */
  abandon(aid: Uint8Array, error: AgentMeshError): void {
    const awaited = this.#awaited.get(toHex(aid));
    for (const { sent } of awaited?.numbers.values() ?? []) this.failed(sent, 'rejected', error);
    for (const { handled } of awaited?.ids.values() ?? []) handled.reject(error);
    this.#awaited.delete(toHex(aid));
  }

  /** The message in an envelope of this run that nothing has been heard of; else undefined. */
  byEnvelope(envelopeId: Uint8Array): Sent | undefined {
    return this.#envelopes.get(toHex(envelopeId))?.sent;
  }

  /** Whether the time that its sender has given to a message of this run is over. */
  isTimeOver({ aid, epoch, number, ttlMs = Infinity }: Sent): boolean {
    const waiter = this.#awaited.get(toHex(aid))?.numbers.get(positionOf({ epoch, number }));
    return waiter !== undefined && this.#steady() - waiter.sentMs >= ttlMs;
  }

  /** The message of this run at a position in the conversation. */
  byPosition(aid: Uint8Array, epoch: number, number: number): Sent | undefined {
    return this.#awaited.get(toHex(aid))?.numbers.get(positionOf({ epoch, number }))?.sent;
  }

  /** The agent ends: nothing is awaited any more. */
  close(error: AgentMeshError): void {
    for (const { numbers, ids } of this.#awaited.values()) {
      for (const { delivered } of numbers.values()) delivered.reject(error);
      for (const { handled } of ids.values()) handled.reject(error);
    }
    for (const { delivered } of this.#takenBack.values()) delivered.reject(error);
    this.#awaited.clear();
    this.#takenBack.clear();
    this.#envelopes.clear();
  }

  #tell(
    { aid, peer, id }: Pick<Sent, 'aid' | 'peer' | 'id'>,
    state: Step['state'],
    reason: string | null = null,
  ): void {
    this.#events.emit('outgoing', { id, peer, address: addressOf(aid), state, reason });
  }

  #awaitedOf(aid: Uint8Array): Awaited {
    const key = toHex(aid);
    const empty: Awaited = { numbers: new Map(), ids: new Map(), ahead: new Map() };
    const awaited = this.#awaited.get(key) ?? empty;
    this.#awaited.set(key, awaited);
    return awaited;
  }

  /** Calls with every waiting message of an epoch up to a number; the call takes it out. */
  #upTo(
    { aid, epoch }: Pick<Sent, 'aid' | 'epoch'>,
    last: number,
    end: (waiter: Waiter) => void,
  ): void {
    for (const waiter of this.#awaited.get(toHex(aid))?.numbers.values() ?? []) {
      if (waiter.sent.epoch !== epoch) continue;
      if (waiter.sent.number > last) return;
      end(waiter);
    }
  }

  #deliver(waiter: Waiter): void {
    this.#received(waiter);
    waiter.delivered.resolve();
    this.#tell(waiter.sent, 'delivered');
  }

  /** Nothing is awaited of it any more but, perhaps, its outcome. */
  #received({ sent, envelope }: Waiter): void {
    this.#awaitedOf(sent.aid).numbers.delete(positionOf(sent));
    if (envelope !== null) this.#envelopes.delete(envelope);
  }

  /** A peer whose handlers never end a message does not fill our memory. */
  #bound(awaited: Awaited): void {
    if (awaited.ids.size <= AGENT_LIMITS.outcomesAwaited) return;
    const [oldest] = awaited.ids;
    if (oldest === undefined) return;
    awaited.ids.delete(oldest[0]);
    oldest[1].handled.reject(new AgentError('OUTCOME_UNKNOWN'));
  }

  #forgetIfIdle(aid: Uint8Array): void {
    const awaited = this.#awaited.get(toHex(aid));
    if (awaited === undefined || awaited.numbers.size > 0 || awaited.ahead.size > 0) return;
    if (awaited.ids.size === 0) this.#awaited.delete(toHex(aid));
  }
}

function positionOf({ epoch, number }: Pick<Sent, 'epoch' | 'number'>): string {
  return `${epoch}/${number}`;
}

function isUpTo(
  { epoch: of, number }: Pick<Sent, 'epoch' | 'number'>,
  epoch: number,
  upTo: number,
): boolean {
  return of < epoch || (of === epoch && number <= upTo);
}

const OUTCOME_CODES = {
  refused: 'REFUSED',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
  unsupported: 'UNSUPPORTED',
} as const;

function outcomeError(state: keyof typeof OUTCOME_CODES, reason: string): AgentError {
  return new AgentError(OUTCOME_CODES[state], reason === '' ? undefined : reason);
}
