/**
 * Answers streams (protocol.md §2.19): runs a generator as fast as its consumer reads, and ends it
 * with one commit. Owns the streams that are being produced; when a request runs is `dispatcher`'s.
 */
import {
  AgentMeshError,
  CALL_FRAME,
  CONTENT_KIND,
  encodeCallFrames,
  toHex,
} from '@agentmesh/crypto';
import type { CallFrame } from '@agentmesh/crypto';
import { encodePayload } from '@agentmesh/protocol';
import { AgentError, StorageError } from '../ground/errors.js';
import { endMember } from '../message/ask.js';
import { exactBody } from '../message/payload.js';
import { runWithin } from '../handling/handlers.js';
import { ROW } from '../store/row-keys.js';
import type { StoreOperation } from '../store/store.js';
import { PartSender, partRoom } from './part-sender.js';
import type { Inside, RequestRun, RunParts, ServedHandler } from './request-run.js';
import { decodeProduced, NOTHING_PRODUCED, StreamProducer } from './stream-producer.js';
import type { StreamItem } from './stream-items.js';

/** How a stream ends: the JSON of its result, and what is deleted with it. */
interface Ending {
  readonly end: Uint8Array;
  readonly ends: readonly StoreOperation[];
}

/** Gives chunks one by one and returns the result. */
export type StreamGenerator = AsyncGenerator<StreamItem, unknown, void>;

/** Beside an end, so much of what was pending. */
const LAST_BYTES = 64 * 1024;
const LAST_FRAMES = 32;

/** The streams that one agent produces. */
export class StreamServer {
  readonly #parts: RunParts;
  /** By consumer, aids in hex. */
  readonly #senders = new Map<string, PartSender>();
  /** By consumer and id. */
  readonly #producers = new Map<string, StreamProducer>();

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  /** What a consumer has read; `from` are its identities, those that it had before among them. */
  onCredit(from: readonly Uint8Array[], { callId, what, at, data }: CallFrame): void {
    if (what !== CALL_FRAME.credit) return;
    const window = new DataView(data.buffer, data.byteOffset).getUint32(0);
    for (const aid of from) this.#producers.get(keyOf(aid, toHex(callId)))?.credit(at, window);
  }

  /**
   * Runs the generator and commits the end; `ends` goes with it. False: not now, the request stays
   * and the stream goes on where it was. Throws where the store fails.
   */
  async serve(
    run: RequestRun,
    handler: ServedHandler,
    inside: Inside,
    ends: () => Promise<readonly StoreOperation[]>,
  ): Promise<boolean> {
    const { store } = this.#parts.context;
    const row = await store.get(ROW.produced(run.id));
    const produced = row === null ? NOTHING_PRODUCED : decodeProduced(row);
    const producer = new StreamProducer(run.id, produced, run.ask.credit);
    const sender = this.#open(run, producer);
    const cancel = run.startDeadline();
    let end: Uint8Array;
    try {
      const { limitMs } = handler;
      const about = {
        message: run.message,
        attempt: run.item.attempts,
        controller: run.controller,
      };
      const result = await runWithin(this.#parts.context, { limitMs, isLoop: true }, about, () =>
        run.surrounded(inside, () =>
          this.#produce({ run, handler, from: produced.items }, producer, sender),
        ),
      );
      end = exactBody(result ?? null, endMember({ ok: true }));
    } catch (error) {
      if (error instanceof StorageError) throw error;
      if (run.isClosed) return false;
      end = encodePayload(endMember({ error: run.failureOf(error) }));
    } finally {
      cancel();
      this.#close(run, producer);
    }
    return this.#end(run, producer, { end, ends: await ends() });
  }

  /** False where that is not possible now. */
  async #end(run: RequestRun, producer: StreamProducer, how: Ending): Promise<boolean> {
    const { context } = this.#parts;
    try {
      await this.#commitEnd(run, producer, how);
    } catch (error) {
      if (error instanceof StorageError || !(error instanceof AgentMeshError)) throw error;
      // Nobody is there to be told any more, or the agent ends.
      context.log.warn('stream not ended', { id: run.id, code: error.code });
      if (error.retryable || error.code === 'CLOSED') return false;
      await context.store.commit(how.ends);
    }
    return true;
  }

  async #produce(
    making: {
      readonly run: RequestRun;
      readonly handler: ServedHandler;
      readonly from: number;
    },
    producer: StreamProducer,
    sender: PartSender,
  ): Promise<unknown> {
    const { run, handler, from } = making;
    let isFromSeen = false;
    const context = run.context(() => {
      isFromSeen = true;
      return from;
    });
    const generator = handler.run(run.message, context) as StreamGenerator;
    try {
      for (;;) {
        const step = await run.orAborted(generator.next());
        if (step.done === true) return step.value;
        if (from > 0 && !isFromSeen) throw new AgentError('STREAM_RESTARTED');
        producer.add(step.value);
        sender.wake();
        if (!producer.hasRoom) await run.aside(producer.room());
      }
    } finally {
      // A generator that hangs is not waited for.
      void run.follow(Promise.resolve(generator.return?.(undefined))).catch(() => undefined);
    }
  }

  #open(run: RequestRun, producer: StreamProducer): PartSender {
    const { context, sender } = this.#parts;
    const key = toHex(run.from);
    const parts = this.#senders.get(key) ?? new PartSender(context, sender, run.from);
    this.#senders.set(key, parts);
    parts.open(producer, {
      kept: () => run.gotOn(),
      failed: (error) => run.controller.abort(error),
    });
    this.#producers.set(keyOf(run.from, run.id), producer);
    return parts;
  }

  #close(run: RequestRun, producer: StreamProducer): void {
    const key = toHex(run.from);
    const parts = this.#senders.get(key);
    parts?.close(producer);
    if (parts?.isIdle === true) this.#senders.delete(key);
    this.#producers.delete(keyOf(run.from, run.id));
  }

  /** What is pending leaves first; the last of it together with the end. */
  async #commitEnd(
    run: RequestRun,
    producer: StreamProducer,
    { end, ends }: Ending,
  ): Promise<void> {
    const inboxKey = run.item.entry.key;
    for (;;) {
      const state = await this.#parts.sender.turn(run.from, async (speech) => {
        // Cancelled meanwhile: nothing more is told.
        if (!(await speech.holds(inboxKey))) {
          speech.write(ends);
          return 'cancelled';
        }
        const frames = producer.take(partRoom(this.#parts.context, LAST_BYTES), LAST_FRAMES);
        const isEnd = !producer.hasPending;
        if (isEnd) frames.push(producer.end(end));
        speech.say({ kind: CONTENT_KIND.callFrames, body: encodeCallFrames(frames) });
        speech.write(isEnd ? ends : [producer.row()]);
        return isEnd ? 'ended' : 'pending';
      });
      if (state !== 'pending') return;
    }
  }
}

function keyOf(from: Uint8Array, id: string): string {
  return `${toHex(from)}/${id}`;
}
