/**
 * Requests of ours and their ends: each is a row from the commit that seals the request until its
 * answer was read (protocol.md §2.19). Owns these rows, deadlines and who waits; how a request
 * travels is `sending`'s.
 */
import { CALL_FRAME, equalBytes, fromHex, toHex } from '@agentmesh/crypto';
import type { CallFrame } from '@agentmesh/crypto';
import type { JsonObject } from '@agentmesh/protocol';
import type { Received } from '../conversation/judge.js';
import type { Outcome } from '../conversation/outcome.js';
import { aidsOf } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { AgentError } from '../ground/errors.js';
import type { AgentErrorCode } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { readEnd } from '../message/ask.js';
import type { AgentEvents } from '../message/events.js';
import { replyToOf } from '../message/payload.js';
import { ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { cancelDraft, endOf, OUTCOME_CODES, outcomeOf, undelivered } from './call-end.js';
import { CallSlots } from './call-slots.js';
import { Call } from './call.js';
import { dropStream, hasEnded, newOpenCall, oldestFirst, tellProgress } from './open-call.js';
import type { OpenCall, OutgoingParts, Request } from './open-call.js';
import { IncomingStream } from './incoming-stream.js';
import { decodeCallRow, encodeCallRow } from './call-row.js';
import type { CallEnd, CallRow } from './call-row.js';

/** How long after the request's time is over its envelope may still be somewhere. */
const TTL_GRACE_MS = 60_000;
/** A callee that knows no calls may answer a little after it has handled the request. */
const REPLY_GRACE_MS = 2_000;

/** All requests of one agent. Keys are message ids in hex. */
export class OutgoingCalls {
  readonly #parts: OutgoingParts;
  readonly #calls = new Map<string, OpenCall>();
  /** Ends that are being committed with what brought them. */
  readonly #staged = new Map<string, CallRow>();
  /** Those whose end is being committed by our own decision. */
  readonly #ending = new Set<string>();
  readonly #slots = new CallSlots();
  #stopped = false;

  constructor(parts: OutgoingParts) {
    this.#parts = parts;
    parts.context.events.on('outgoing', (step) => this.#onStep(step));
  }

  /** Takes up what an earlier run asked. */
  async load(): Promise<void> {
    const { store } = this.#parts.context;
    for await (const { key, value } of rowsUnder(store, 'call')) {
      const row = decodeCallRow(value);
      const about = { onProgress: null, slot: this.#slots.keep() };
      const call = this.#add(newOpenCall(key.slice(key.indexOf('/') + 1), row, about));
      await call.stream?.load();
      if (call.row.end !== null) this.#settle(call);
      else if (call.stream?.isEnded !== true) this.#startTimer(call);
    }
  }

  /** Asks; resolves when the request is committed here. Rejects like `send`, or BACKPRESSURE. */
  async begin(to: Uint8Array, request: Request): Promise<Call> {
    return this.#faceOf(await this.#begin(to, request));
  }

  /** The same for a stream. */
  async beginStream(to: Uint8Array, request: Request): Promise<IncomingStream> {
    const call = await this.#begin(to, request);
    return call.stream ?? this.#streamOf(call);
  }

  async #begin(to: Uint8Array, request: Request): Promise<OpenCall> {
    const { context, post } = this.#parts;
    const slot = this.#slots.take();
    const nowMs = context.runtime.now();
    const { byMs, isStream, onProgress, signal } = request;
    const [msgId, envelopeId] = [context.runtime.random(16), context.runtime.random(16)];
    const id = toHex(msgId);
    const common = { byMs, sentMs: nowMs, envelopeId, isStream, end: null };
    const body = request.body(byMs);
    let call: OpenCall | null = null;
    const writes = ({ identity, name }: Peer) => {
      const row = { ...common, to: identity.aid, peer: name };
      call ??= this.#add(newOpenCall(id, row, { onProgress, slot }));
      call.row = row;
      return [{ put: ROW.call(id), value: encodeCallRow(row) }];
    };
    try {
      const ttlMs = byMs - nowMs + TTL_GRACE_MS;
      await post(to, { body, msgId, envelopeId, ttlMs, writes, signal });
      return this.#begun(this.#calls.get(id));
    } catch (error) {
      slot.free();
      // Somebody may have found it before it was committed.
      this.#calls.get(id)?.answer.reject(error);
      this.#calls.delete(id);
      throw error;
    }
  }

  #begun(call: OpenCall | undefined): OpenCall {
    if (call === undefined) throw new AgentError('CLOSED');
    this.#startTimer(call);
    return call;
  }

  /** Those that have not ended, and those whose answers were not read, the oldest first. */
  list(): Call[] {
    return oldestFirst(this.#calls, { isStream: false }).map((call) => this.#faceOf(call));
  }

  /** Streams that were not read to their end, the oldest first. */
  streams(): IncomingStream[] {
    return oldestFirst(this.#calls, { isStream: true }).flatMap(({ stream }) => stream ?? []);
  }

  /** One of them; throws UNKNOWN_CALL. */
  byId(id: string): Call {
    const call = this.#calls.get(id);
    if (call === undefined || call.row.isStream) throw new AgentError('UNKNOWN_CALL');
    return this.#faceOf(call);
  }

  /**
   * Writes what a message means for our requests; returns whether it was an answer, which no
   * handler sees.
   */
  stage(tx: StoreTransaction, { body, content, peer, repeated }: Received): boolean {
    if (repeated) return false;
    if (body.kind === 'callFrames') {
      for (const frame of body.frames)
        this.#find(toHex(frame.callId), peer)?.stream?.stage(tx, frame);
      return false;
    }
    if (body.kind === 'outcome') {
      for (const outcome of body.outcomes) this.#stageOutcome(tx, outcome, peer);
      return false;
    }
    const id = body.kind === 'application' ? replyToOf(body.payload) : null;
    if (id === null || body.kind !== 'application') return false;
    const call = this.#find(id, peer);
    if (call === null) return readEnd(body.payload) !== null;
    const atMs = this.#parts.context.runtime.now();
    this.#stageEnd(tx, call, { atMs, body: content.body, code: '', message: '' });
    return true;
  }

  #stageOutcome(tx: StoreTransaction, { msgId, state, reason }: Outcome, peer: Peer): void {
    const call = this.#find(toHex(msgId), peer);
    if (call === null || state === 'handled' || state === 'held') return;
    const atMs = this.#parts.context.runtime.now();
    const code: AgentErrorCode = OUTCOME_CODES[state];
    this.#stageEnd(tx, call, { atMs, body: null, code, message: reason });
  }

  /** A second end of one call counts as little as one that comes too late. */
  #stageEnd(tx: StoreTransaction, call: OpenCall, end: CallEnd): void {
    if (hasEnded(call) || this.#staged.has(call.id) || this.#ending.has(call.id)) return;
    const row = { ...call.row, end };
    tx.put(ROW.call(call.id), encodeCallRow(row));
    this.#staged.set(call.id, row);
  }

  /** What was staged is committed. */
  follow(received: Received): void {
    const { body, peer, repeated } = received;
    if (repeated) return;
    if (body.kind === 'outcome') {
      for (const { msgId } of body.outcomes) this.#applyStaged(toHex(msgId));
    } else if (body.kind === 'application') {
      this.#followReply(received, body.payload);
    } else if (body.kind === 'callFrames') {
      for (const frame of body.frames) this.#onFrame(frame, peer);
    }
  }

  #followReply({ content, peer }: Received, payload: JsonObject): void {
    const id = replyToOf(payload);
    if (id === null) return;
    const { context, deliveries } = this.#parts;
    const end = readEnd(payload);
    if (this.#find(id, peer) === null) {
      const orphan = { id: toHex(content.msgId), peer: peer.name, replyTo: id };
      // That its time is over, the caller has seen by itself.
      const isLate = end !== null && 'error' in end && end.error.code === 'DEADLINE';
      if (end !== null && !isLate) context.events.emit('orphanReply', orphan);
      return;
    }
    this.#applyStaged(id);
    if (end === null) return;
    // A callee that knows calls says with its answer that it has handled the request.
    const msgId = fromHex(id);
    deliveries.ended(aidsOf(peer), peer.name, { msgId, state: 'handled', reason: '' });
  }

  #applyStaged(id: string): void {
    const row = this.#staged.get(id);
    const call = this.#calls.get(id);
    this.#staged.delete(id);
    if (row === undefined || call === undefined) return;
    call.row = row;
    this.#settle(call);
  }

  #onFrame({ callId, what, run, at, data }: CallFrame, peer: Peer): void {
    const call = this.#find(toHex(callId), peer);
    if (call === null || call.row.end !== null) return;
    call.stream?.follow({ callId, what, run, at, data });
    if (what === CALL_FRAME.progress) tellProgress(call, data, this.#parts.context.log);
  }

  /** What became of the request itself on its way. */
  #onStep({ id, state, reason }: AgentEvents['outgoing']): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    if (state === 'delivered') call.delivered.resolve();
    if (call.row.end !== null) return;
    if (state === 'handled') this.#expectReply(call);
    if (state !== 'expired' && state !== 'rejected') return;
    const { code, message } = undelivered(call, reason, this.#parts.context.runtime.now());
    void this.#end(call, code, message).catch(nothing);
  }

  /** Handled, and perhaps without an answer. */
  #expectReply(call: OpenCall): void {
    this.#parts.context.runtime.schedule(REPLY_GRACE_MS, () => {
      if (!this.#stopped) void this.#end(call, 'NO_REPLY', '').catch(nothing);
    });
  }

  /** What has ended long ago and was never read is forgotten. */
  sweep(): void {
    const beforeMs = this.#parts.context.runtime.now() - AGENT_LIMITS.answerKeptMs;
    for (const call of this.#calls.values()) {
      // A stream that has ended here is open until it is read, but not for ever.
      const endedMs = call.row.end?.atMs ?? (hasEnded(call) ? call.row.byMs : Infinity);
      if (endedMs > beforeMs) continue;
      if (call.stream === null) this.#read(call);
      else this.#forgetStream(call);
    }
  }

  /** Nobody is told of anything any more; the rows stay. */
  stop(reason: AgentError): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const call of this.#calls.values()) {
      call.cancelTimer?.();
      call.release?.();
      call.answer.reject(reason);
      call.delivered.reject(reason);
      call.stream?.stop(reason);
    }
  }

  #add(call: OpenCall): OpenCall {
    this.#calls.set(call.id, call);
    if (call.row.isStream) call.stream = this.#streamOf(call);
    return call;
  }

  #streamOf(call: OpenCall): IncomingStream {
    const { context, turn } = this.#parts;
    return new IncomingStream({
      id: call.id,
      about: () => ({ peer: call.row.peer, deadline: new Date(call.row.byMs) }),
      context,
      turn: (task) => turn(call.row.to, task),
      isAnswered: () => call.cancelTimer?.(),
      done: () => this.#forgetStream(call),
      cancel: (reason) => this.#cancel(call, reason),
    });
  }

  /** It was read to its end: nothing of it is kept. */
  #forgetStream(call: OpenCall): void {
    call.cancelTimer?.();
    call.release?.();
    call.slot.free();
    if (this.#stopped || !this.#calls.delete(call.id)) return;
    void dropStream(this.#parts, call, () => this.#stopped).catch(nothing);
  }

  /** A stream of this or an earlier run; throws UNKNOWN_CALL. */
  streamById(id: string): IncomingStream {
    const stream = this.#calls.get(id)?.stream ?? null;
    if (stream === null) throw new AgentError('UNKNOWN_CALL');
    return stream;
  }

  #startTimer(call: OpenCall): void {
    const { runtime } = this.#parts.context;
    const { byMs, sentMs } = call.row;
    // Whatever the clock of this run shows: never longer than it was asked for.
    const delayMs = Math.max(0, Math.min(byMs - runtime.now(), byMs - sentMs));
    call.cancelTimer = runtime.schedule(delayMs, () => void this.#expire(call).catch(nothing));
  }

  async #expire(call: OpenCall): Promise<void> {
    call.isLate = true;
    if (!(await this.#end(call, 'DEADLINE', ''))) return;
    await this.#parts.withdraw(call.row.envelopeId, new AgentError('CANCELLED'));
  }

  async #cancel(call: OpenCall, reason: string): Promise<void> {
    const isEnded = await this.#end(call, 'CANCELLED', reason);
    const { envelopeId, to, end } = call.row;
    if (end === null) throw new AgentError('CLOSED');
    if (!isEnded) return;
    if (await this.#parts.withdraw(envelopeId, new AgentError('CANCELLED'))) return;
    await this.#parts.tell(to, cancelDraft(call.id, reason));
  }

  /** Ends a call by our own decision; false if something else has ended it before. */
  async #end(call: OpenCall, code: AgentErrorCode, message: string): Promise<boolean> {
    const { context } = this.#parts;
    if (this.#stopped || context.store.failure !== null) return false;
    return context.peers.run(toHex(call.row.to), async () => {
      // A callee that has changed its identity answers under another lock: its answer may be on its
      // way into the store now.
      if (this.#stopped || call.row.end !== null || this.#staged.has(call.id)) return false;
      // The end of a stream is here before it is read: only its reader gives it up then.
      if (code !== 'CANCELLED' && hasEnded(call)) return false;
      const end = { atMs: context.runtime.now(), body: null, code, message };
      const row = { ...call.row, end };
      this.#ending.add(call.id);
      try {
        const tx = context.transaction();
        tx.put(ROW.call(call.id), encodeCallRow(row));
        await tx.commit();
      } finally {
        this.#ending.delete(call.id);
      }
      call.row = row;
      this.#settle(call);
      return true;
    });
  }

  /** Its end is durable: whoever waits is told. */
  #settle(call: OpenCall): void {
    const { end, peer } = call.row;
    if (end === null) return;
    call.slot.free();
    call.cancelTimer?.();
    call.release?.();
    call.cancelTimer = null;
    call.release = null;
    // A callee that answers has the request, whatever was heard of that.
    if (end.body !== null) call.delivered.resolve();
    const outcome = outcomeOf(peer, end);
    if ('error' in outcome) {
      call.answer.reject(outcome.error);
      call.delivered.reject(outcome.error);
    } else call.answer.resolve(outcome.value);
    call.stream?.callEnded(outcome);
    if (call.isAwaited) this.#read(call);
  }

  #read({ id }: OpenCall): void {
    if (this.#stopped || !this.#calls.delete(id)) return;
    this.#parts.sweeper.delete(ROW.call(id));
  }

  #find(id: string, peer: Peer): OpenCall | null {
    const call = this.#calls.get(id);
    if (call === undefined) return null;
    if (!aidsOf(peer).some((aid) => equalBytes(aid, call.row.to))) return null;
    call.heardAs = peer.identity.aid;
    return call;
  }

  #faceOf(call: OpenCall): Call {
    const { context } = this.#parts;
    return new Call({
      id: call.id,
      peer: call.row.peer,
      deadline: new Date(call.row.byMs),
      delivered: call.delivered.promise,
      answer: call.answer.promise,
      ended: () => endOf(call.answer.promise),
      isOpen: () => call.row.end === null,
      awaited: () => {
        call.isAwaited = true;
        if (call.row.end !== null) this.#read(call);
        else if (!this.#stopped) call.release ??= context.keepAlive.hold();
      },
      cancel: (reason) => this.#cancel(call, reason),
    });
  }
}

/** Whoever reads the answer is told, and a store that fails has stopped the agent. */
function nothing(): void {
  // The call is not ended here: its row is met again.
}
