/**
 * Carries the outbox to the hub: stored bytes, in order for each recipient, again until the hub has
 * them durably (protocol.md §2.11 P1). Owns pace, order and retries. It reads every byte it sends
 * from the store, so nothing can leave that was not committed.
 */
import { AgentMeshError, toHex } from '@agentmesh/crypto';
import { PROTOCOL_LIMITS, ProtocolError } from '@agentmesh/protocol';
import type { HubConnection } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import type { Holder } from '../ground/keep-alive.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { decodeOutboxRow } from './outbox.js';
import type { OutboxRow } from './outbox.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';

/** A committed outbox row on its way. */
export interface OutboxEntry {
  readonly key: string;
  readonly to: Uint8Array;
  readonly envelopeId: Uint8Array;
  readonly bytes: number;
  /**
   * Called once: accepted by the hub (null), refused for good, or, with `stays`, not sent by this run
   * any more although its row stays. Not for rows of an earlier run.
   */
  readonly settle: ((refusal: AgentMeshError | null, stays?: 'stays') => void) | null;
}

/** What a refusal for good means to whoever keeps the content; resolves with what is told of it. */
export type OnRefused = (row: OutboxRow, error: AgentMeshError) => Promise<AgentMeshError>;

/** Entries for one recipient. */
interface Lane {
  /** Ascending by key. */
  readonly queue: OutboxEntry[];
  inFlight: number;
  failures: number;
  resumeMs: number;
}

/** The outbox of one agent in motion. */
export class Transmitter {
  readonly #context: AgentContext;
  readonly #sweeper: RowSweeper;
  readonly #onRefused: OnRefused;
  readonly #lanes = new Map<string, Lane>();
  readonly #pace: Pace;
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

  constructor(context: AgentContext, sweeper: RowSweeper, onRefused: OnRefused) {
    this.#context = context;
    this.#sweeper = sweeper;
    this.#onRefused = onRefused;
    this.#pace = new Pace(context.waits());
    this.#holder = context.keepAlive.holder();
  }

  /** Messages that the hub has not accepted yet. */
  get depth(): number {
    return this.#messages;
  }

  get isFull(): boolean {
    const { outboxMessages, outboxBytes } = AGENT_LIMITS;
    return this.#messages >= outboxMessages || this.#bytes >= outboxBytes;
  }

  /** Takes up what an earlier run left. */
  async load(): Promise<void> {
    for await (const { key, value } of rowsUnder(this.#context.store, 'outbox')) {
      const { to, envelopeId, blob } = decodeOutboxRow(value);
      this.add([{ key, to, envelopeId, bytes: blob.length, settle: null }]);
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
      this.#messages += 1;
      this.#bytes += entry.bytes;
    }
    this.#updateHold();
    this.#pump();
  }

  start(connection: HubConnection): void {
    this.#connection = connection;
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

  /** Nothing of what waits is sent; its rows are gone already. */
  abandonAll(refusal: AgentMeshError): void {
    for (const lane of this.#lanes.values()) {
      for (const entry of lane.queue.splice(0)) this.#settle(entry, refusal);
    }
  }

  /**
   * What was added so far is not sent any more, unless it is on its way and gets through. Resolves
   * when that is durable for what was not on its way.
   */
  async giveUp(reason: AgentMeshError): Promise<void> {
    this.#givenUp = { upTo: this.#lastKey, reason };
    const waiting = [...this.#lanes.values()].flatMap(({ queue }) => queue.splice(0));
    for (const entry of waiting) await this.#refuse(entry, reason);
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
    this.#updateHold();
  }

  /** Resolves when the hub has everything. */
  idle(): Promise<void> {
    if (this.#messages === 0) return Promise.resolve();
    this.#emptied ??= Promise.withResolvers();
    return this.#emptied.promise;
  }

  #updateHold(): void {
    this.#holder(this.#messages > 0 && this.#stopped === null);
  }

  #laneOf(to: Uint8Array): Lane {
    const key = toHex(to);
    const lane = this.#lanes.get(key) ?? { queue: [], inFlight: 0, failures: 0, resumeMs: 0 };
    this.#lanes.set(key, lane);
    return lane;
  }

  /** Sends whatever may go now; else wakes when the first lane may. */
  #pump(): void {
    const nowMs = this.#context.waits();
    let wakeMs = Infinity;
    for (const [key, lane] of this.#lanes) {
      if (this.#connection === null || this.#inFlight >= AGENT_LIMITS.inFlight) return;
      wakeMs = Math.min(wakeMs, this.#pumpLane(key, lane, nowMs));
    }
    this.#wakeAt(wakeMs, nowMs);
  }

  /** Sends of one lane; returns when it may go on, Infinity if nothing of it waits for time. */
  #pumpLane(key: string, lane: Lane, nowMs: number): number {
    while (lane.queue.length > 0 && this.#inFlight < AGENT_LIMITS.inFlight) {
      // After a failure one at a time, so that what follows does not overtake it.
      if (lane.failures > 0 && lane.inFlight > 0) return Infinity;
      const resumeMs = Math.max(lane.resumeMs, this.#resumeMs);
      if (resumeMs > nowMs) return resumeMs;
      const waitMs = this.#pace.take(nowMs);
      if (waitMs > 0) return nowMs + waitMs;
      const entry = lane.queue.shift();
      if (entry !== undefined) void this.#send(lane, entry);
    }
    if (lane.queue.length === 0 && lane.inFlight === 0) this.#lanes.delete(key);
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
    const refusal = await this.#transmit(entry);
    this.#inFlight -= 1;
    lane.inFlight -= 1;
    const final = refusal?.retryable === true ? this.#givenUpFor(entry) : refusal;
    if (refusal === null) {
      lane.failures = 0;
      this.#settle(entry, null);
    } else if (final !== null) {
      await this.#refuse(entry, final);
    } else {
      this.#putBack(lane, entry, refusal);
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
      if (connection === null) return new ProtocolError('CONNECTION_LOST');
      const { to, envelopeId: id, blob } = decodeOutboxRow(row);
      await connection.send({ id, to, ttlSeconds: PROTOCOL_LIMITS.defaultTtlSeconds, blob });
      return null;
    } catch (error) {
      if (error instanceof AgentMeshError) return error;
      return new ProtocolError('INTERNAL', { cause: error });
    }
  }

  #settle(entry: OutboxEntry, refusal: AgentMeshError | null): void {
    this.#messages -= 1;
    this.#bytes -= entry.bytes;
    this.#updateHold();
    if (this.#context.store.failure === null) this.#sweeper.delete(entry.key);
    entry.settle?.(refusal);
    if (this.#messages > 0) return;
    this.#emptied?.resolve();
    this.#emptied = null;
  }

  async #refuse(entry: OutboxEntry, error: AgentMeshError): Promise<void> {
    let told = error;
    try {
      const row = await this.#context.store.get(entry.key);
      if (row !== null) told = await this.#onRefused(decodeOutboxRow(row), error);
    } catch (failure) {
      // The store has stopped the agent; the row stays and is tried again by the next run.
      entry.settle?.(failure instanceof AgentMeshError ? failure : error, 'stays');
      return;
    }
    this.#settle(entry, told);
  }

  #putBack(lane: Lane, entry: OutboxEntry, error: AgentMeshError): void {
    if (this.#stopped !== null) {
      entry.settle?.(this.#stopped, 'stays');
      return;
    }
    const at = lane.queue.findIndex((other) => other.key > entry.key);
    lane.queue.splice(at < 0 ? lane.queue.length : at, 0, entry);
    this.#lanes.set(toHex(entry.to), lane);
    const nowMs = this.#context.waits();
    const { resendMs, resendMaxMs } = AGENT_LIMITS;
    const backoffMs = Math.min(resendMs * 2 ** lane.failures, resendMaxMs);
    const askedMs = error instanceof ProtocolError ? error.retryAfterMs : undefined;
    const resumeMs = nowMs + (askedMs ?? backoffMs);
    lane.failures += 1;
    lane.resumeMs = Math.max(lane.resumeMs, resumeMs);
    if (error.code === 'RATE_LIMITED') this.#resumeMs = Math.max(this.#resumeMs, resumeMs);
  }
}

/**
 * Keeps below the rate at which a hub refuses one sender, so that nothing is refused and then
 * overtaken: a bucket a little smaller and slower than the hub's.
 */
class Pace {
  readonly #burst = PROTOCOL_LIMITS.sendBurst - 20;
  readonly #perMs = (PROTOCOL_LIMITS.sendsPerSecond - 1) / 1000;
  #tokens = this.#burst;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Takes one and returns 0, or returns how long to wait for one. */
  take(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsedMs * this.#perMs);
    if (this.#tokens < 1) return Math.ceil((1 - this.#tokens) / this.#perMs);
    this.#tokens -= 1;
    return 0;
  }
}
