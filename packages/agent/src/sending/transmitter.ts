/**
 * Carries the outbox to the hub: stored bytes, in order for each recipient, again until the hub has
 * them durably (protocol.md §2.11 P1). Owns order and retries. It reads every byte it sends from
 * the store, so nothing can leave that was not committed.
 */
import { AgentMeshError, equalBytes, toHex } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type { HubConnection } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import type { Holder } from '../ground/keep-alive.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import {
  afterTry,
  decodeOutboxRow,
  entryOf,
  isExpired,
  isOutboxFull,
  NOT_SENT,
  ttlOf,
  unanswered,
} from './outbox.js';
import type { OutboxEntry, OutboxRow } from './outbox.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';

/** What a refusal for good means to whoever keeps the content; resolves with what is told of it. */
export type OnRefused = (row: OutboxRow, error: AgentMeshError) => Promise<AgentMeshError>;

/** Entries for one recipient. */
interface Lane {
  /** Ascending by key. */
  readonly queue: OutboxEntry[];
  /** Those in flight included. */
  messages: number;
  bytes: number;
  inFlight: number;
  failures: number;
  resumeMs: number;
  /** What the hub said last, where it was no passing matter of the connection. */
  reason: string | null;
}

/** Messages of one lane that go before it is the next one's turn. */
const TURN = 8;
/** They say something of the connection, and nothing of the message. */
const PASSING: ReadonlySet<string> = new Set(['CONNECTION_LOST', 'RATE_LIMITED', 'SHUTTING_DOWN']);

/** The outbox of one agent in motion. */
export class Transmitter {
  readonly #context: AgentContext;
  readonly #sweeper: RowSweeper;
  readonly #onRefused: OnRefused;
  readonly #onWaiting: (envelopeId: Uint8Array, reason: string) => void;
  readonly #lanes = new Map<string, Lane>();
  /** While something is on its way. */
  readonly #holder: Holder;
  #connection: HubConnection | null = null;
  #lastKey = '';
  #messages = 0;
  #bytes = 0;
  #inFlight = 0;
  #resumeMs = 0;
  #cancelWake: (() => void) | null = null;
  #emptied: PromiseWithResolvers<void> | null = null;
  #stopped: AgentMeshError | null = null;
  #givenUp: { readonly upTo: string; readonly reason: AgentMeshError } | null = null;

  constructor(parts: {
    readonly context: AgentContext;
    readonly sweeper: RowSweeper;
    readonly onRefused: OnRefused;
    /** The hub does not take an envelope now. */
    readonly onWaiting: (envelopeId: Uint8Array, reason: string) => void;
  }) {
    const { context } = parts;
    this.#context = context;
    this.#sweeper = parts.sweeper;
    this.#onRefused = parts.onRefused;
    this.#onWaiting = parts.onWaiting;
    this.#holder = context.keepAlive.holder();
  }

  /** Messages that the hub has not accepted yet. */
  get depth(): number {
    return this.#messages;
  }

  /** How many of them wait for whom, and since when the first of those that are not under way. */
  waiting(): readonly {
    readonly aid: string;
    readonly messages: number;
    sinceMs: number | null;
  }[] {
    return [...this.#lanes]
      .filter(([, { messages }]) => messages > 0)
      .map(([aid, { messages, queue }]) => {
        const sinceMs = queue.find((entry) => entry.sinceMs > 0)?.sinceMs ?? null;
        return { aid, messages, sinceMs };
      });
  }

  /** Whether something for this peer waits. */
  holds(aid: Uint8Array): boolean {
    return (this.#lanes.get(toHex(aid))?.messages ?? 0) > 0;
  }

  /** Whether nothing more can wait for this peer. */
  isFullFor(aid: Uint8Array): boolean {
    const total = { messages: this.#messages, bytes: this.#bytes };
    return isOutboxFull(total, this.#lanes.get(toHex(aid)));
  }

  /** Takes up what an earlier run left. */
  async load(): Promise<void> {
    for await (const { key, value } of rowsUnder(this.#context.store, 'outbox')) {
      const row = decodeOutboxRow(value);
      if (row.form !== 'takenBack') this.add([entryOf(key, row)]);
    }
  }

  /** Adds rows that are committed, in their order. */
  add(entries: readonly OutboxEntry[]): void {
    for (const entry of entries) {
      if (this.#stopped !== null) {
        entry.settle?.(this.#stopped, 'stays');
        continue;
      }
      this.#laneOf(entry.to).queue.push(entry);
      this.#lastKey = entry.key;
      this.#count(entry, 1);
    }
    this.#pump();
  }

  start(connection: HubConnection): void {
    this.#connection = connection;
    this.#resumeMs = 0;
    for (const lane of this.#lanes.values()) lane.resumeMs = 0;
    this.#pump();
  }

  pause(): void {
    this.#connection = null;
  }

  /** What waits for this recipient is not sent any more. */
  abandon(to: Uint8Array, refusal: AgentMeshError): void {
    const lane = this.#lanes.get(toHex(to));
    for (const entry of lane?.queue.splice(0) ?? []) this.#settle(entry, refusal);
  }

  /**
   * Takes back a message that waits; false if it is on its way, or gone, or perhaps at the hub.
   * Resolves when that is durable.
   */
  async withdraw(envelopeId: Uint8Array, reason: AgentMeshError): Promise<boolean> {
    for (const { queue } of this.#lanes.values()) {
      const at = queue.findIndex(
        (entry) => equalBytes(entry.envelopeId, envelopeId) && entry.mayBeThere !== true,
      );
      const [entry] = at < 0 ? [] : queue.splice(at, 1);
      if (entry === undefined) continue;
      await this.#refuse(entry, reason);
      return true;
    }
    return false;
  }

  /** What nobody needs any more is not sent. Resolves when that is durable. */
  async expire(): Promise<void> {
    const nowMs = this.#context.runtime.now();
    for (const { queue } of this.#lanes.values()) {
      const expired = queue.filter((entry) => isExpired(entry, nowMs));
      for (const entry of expired) {
        const at = queue.indexOf(entry);
        if (at < 0) continue;
        queue.splice(at, 1);
        await this.#giveUp(entry, new AgentError('EXPIRED_UNSENT'));
      }
    }
  }

  /** Takes out what waits under these keys: its rows stay, and are said anew. */
  takeOut(keys: ReadonlySet<string>): OutboxEntry[] {
    const taken: OutboxEntry[] = [];
    for (const { queue } of this.#lanes.values()) {
      const entries = queue.filter(({ key }) => keys.has(key));
      for (const entry of entries) queue.splice(queue.indexOf(entry), 1);
      for (const entry of entries) this.#count(entry, -1);
      taken.push(...entries);
    }
    return taken.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  /**
   * What was added so far is not sent any more, unless it is on its way and gets through. Resolves
   * when that is durable for what was not on its way.
   */
  async giveUp(reason: AgentMeshError): Promise<void> {
    this.#givenUp = { upTo: this.#lastKey, reason };
    const waiting = [...this.#lanes.values()].flatMap(({ queue }) => queue.splice(0));
    for (const entry of waiting) await this.#giveUp(entry, reason);
  }

  /** Ends for good: nothing is sent any more, what waits stays in the store. */
  stop(reason: AgentMeshError): void {
    this.#stopped ??= reason;
    this.pause();
    this.#cancelWake?.();
    for (const lane of this.#lanes.values()) {
      for (const entry of lane.queue.splice(0)) entry.settle?.(reason, 'stays');
    }
    this.#emptied?.resolve();
    this.#holder(false);
  }

  /** Resolves when the hub has everything. */
  idle(): Promise<void> {
    if (this.#messages === 0) return Promise.resolve();
    this.#emptied ??= Promise.withResolvers();
    return this.#emptied.promise;
  }

  #laneOf(to: Uint8Array): Lane {
    const key = toHex(to);
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const counts = { messages: 0, bytes: 0, inFlight: 0, failures: 0 };
    const lane: Lane = { queue: [], ...counts, resumeMs: 0, reason: null };
    this.#lanes.set(key, lane);
    return lane;
  }

  /** Sends what may go now, lane by lane until none may go on; wakes when the first one may. */
  #pump(): void {
    const nowMs = this.#context.waits();
    let wakeMs = Infinity;
    for (const [key, lane] of this.#lanes) {
      if (this.#connection === null || this.#inFlight >= AGENT_LIMITS.inFlight) return;
      wakeMs = Math.min(wakeMs, this.#pumpLane(key, lane, nowMs));
    }
    this.#wakeAt(wakeMs, nowMs);
  }

  /** One turn of a lane; returns when it may go on, Infinity if nothing of it waits for time. */
  #pumpLane(key: string, lane: Lane, nowMs: number): number {
    for (let taken = 0; lane.queue.length > 0; taken++) {
      const isOver = taken === TURN || this.#inFlight >= AGENT_LIMITS.inFlight;
      if (isOver && taken > 0) {
        this.#lanes.delete(key);
        this.#lanes.set(key, lane);
      }
      if (isOver) return Infinity;
      // After a failure one at a time, so that what follows does not overtake it.
      if (lane.failures > 0 && lane.inFlight > 0) return Infinity;
      const resumeMs = Math.max(lane.resumeMs, this.#resumeMs);
      if (resumeMs > nowMs) return resumeMs;
      const entry = lane.queue.shift();
      if (entry === undefined) continue;
      if (isExpired(entry, this.#context.runtime.now())) {
        void this.#giveUp(entry, new AgentError('EXPIRED_UNSENT'));
      } else {
        void this.#send(lane, entry);
      }
    }
    if (lane.messages === 0) this.#lanes.delete(key);
    return Infinity;
  }

  #wakeAt(atMs: number, nowMs: number): void {
    this.#cancelWake?.();
    this.#cancelWake = null;
    if (atMs === Infinity) return;
    this.#cancelWake = this.#context.runtime.schedule(atMs - nowMs, () => {
      this.#cancelWake = null;
      this.#pump();
    });
  }

  async #send(lane: Lane, entry: OutboxEntry): Promise<void> {
    this.#inFlight += 1;
    lane.inFlight += 1;
    const { failures } = lane;
    const refusal = await this.#transmit(entry);
    this.#inFlight -= 1;
    lane.inFlight -= 1;
    // A connection that ends says why to all that it has not answered, and means none of them.
    const isEnded = this.#connection === null || this.#stopped !== null;
    const isForNow = refusal !== null && (refusal.retryable || isEnded);
    const givenUp = isForNow ? this.#givenUpFor(entry) : null;
    const final = isForNow ? null : refusal;
    if (refusal === null) {
      lane.failures = 0;
      lane.reason = null;
      this.#settle(entry, null);
    } else if (givenUp !== null) {
      await this.#giveUp(afterTry(entry, refusal), givenUp);
    } else if (final !== null) {
      const later = await this.#refuse(entry, final);
      if (later !== null) this.#putBack(lane, entry, later, failures);
    } else {
      this.#putBack(lane, afterTry(entry, refusal), refusal, failures);
    }
    this.#pump();
  }

  /** Why an entry that the hub would take later is not sent again; null when it is. */
  #givenUpFor({ key }: OutboxEntry): AgentMeshError | null {
    return this.#givenUp !== null && key <= this.#givenUp.upTo ? this.#givenUp.reason : null;
  }

  /** One attempt: null when the hub has it. */
  async #transmit(entry: OutboxEntry): Promise<AgentMeshError | null> {
    try {
      const row = await this.#context.store.get(entry.key);
      const connection = this.#connection;
      if (row === null) return null;
      if (connection === null) return NOT_SENT;
      const { to, envelopeId: id, expiresMs, blob } = decodeOutboxRow(row);
      const ttlSeconds = ttlOf(expiresMs, this.#context.runtime.now());
      await connection.send({ id, to, ttlSeconds, blob });
      return null;
    } catch (error) {
      if (error instanceof AgentMeshError) return error;
      return new ProtocolError('INTERNAL', { cause: error });
    }
  }

  #count({ to, bytes }: OutboxEntry, sign: 1 | -1): void {
    const lane = this.#laneOf(to);
    lane.messages += sign;
    lane.bytes += sign * bytes;
    this.#messages += sign;
    this.#bytes += sign * bytes;
    this.#holder(this.#messages > 0 && this.#stopped === null);
  }

  #settle(entry: OutboxEntry, refusal: AgentMeshError | null): void {
    this.#count(entry, -1);
    if (this.#context.store.failure === null) this.#sweeper.deleteLater(entry.key);
    entry.settle?.(refusal);
    if (this.#messages > 0) return;
    this.#emptied?.resolve();
    this.#emptied = null;
  }

  /**
   * It is not sent any more. Where the hub may have it, it may have been handled: then only its
   * recipient's word and time end it.
   */
  async #giveUp(entry: OutboxEntry, reason: AgentMeshError): Promise<void> {
    if (entry.mayBeThere === true) this.#settle(entry, unanswered(reason));
    else await this.#refuse(entry, reason);
  }

  /** Why the hub may take it later after all; null for a refusal for good. */
  async #refuse(entry: OutboxEntry, error: AgentMeshError): Promise<AgentMeshError | null> {
    let told = error;
    try {
      const row = await this.#context.store.get(entry.key);
      if (row !== null) told = await this.#onRefused(decodeOutboxRow(row), error);
    } catch (failure) {
      // The store has stopped the agent; the row stays and is tried again by the next run.
      entry.settle?.(failure instanceof AgentMeshError ? failure : error, 'stays');
      return null;
    }
    if (told !== error && told.retryable) return told;
    this.#settle(entry, told);
    return null;
  }

  #putBack(lane: Lane, entry: OutboxEntry, error: AgentMeshError, failures: number): void {
    if (this.#stopped !== null) {
      entry.settle?.(this.#stopped, 'stays');
      return;
    }
    const at = lane.queue.findIndex((other) => other.key > entry.key);
    lane.queue.splice(at < 0 ? lane.queue.length : at, 0, entry);
    this.#lanes.set(toHex(entry.to), lane);
    const nowMs = this.#context.waits();
    const { resendMs, resendMaxMs } = AGENT_LIMITS;
    // What was on its way together fails once together.
    if (lane.failures === failures) lane.failures += 1;
    const backoffMs = Math.min(resendMs * 2 ** (lane.failures - 1), resendMaxMs);
    const askedMs = error instanceof ProtocolError ? error.retryAfterMs : undefined;
    const resumeMs = nowMs + Math.min(askedMs ?? backoffMs, resendMaxMs);
    if (!PASSING.has(error.code) && lane.reason !== error.code) {
      lane.reason = error.code;
      this.#onWaiting(entry.envelopeId, error.code);
    }
    lane.resumeMs = Math.max(lane.resumeMs, resumeMs);
    if (error.code === 'RATE_LIMITED') this.#resumeMs = Math.max(this.#resumeMs, resumeMs);
  }
}
