/**
 * Sends the parts of all streams to one peer: the first item at once, then what is together by size
 * or by time, several streams in one message (protocol.md §2.19). Owns that clock.
 */
import { CONTENT_KIND, encodeCallFrames } from '@agentmesh/crypto';
import type { CallFrame } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import type { Sender } from '../sending/sender.js';
import type { StreamProducer } from './stream-producer.js';

/** What makes a message, without waiting for more. */
const FULL_BYTES = 16 * 1024;
/** Bytes of parts in one message, beyond a single item. */
const MESSAGE_BYTES = 256 * 1024;
/** Beside the parts an envelope holds keys, names and padding. */
const ENVELOPE_OVERHEAD = 4 * 1024;
const PADDED = 0.85;
const FRAMES = 64;
/** Between two messages for each stream of the peer. */
const PACE_MS = 25;

/** Bytes of parts for one message: what is wanted, or what an envelope of this hub holds. */
export function partRoom({ envelopeBytes }: AgentContext, wanted: number): number {
  return Math.min(wanted, Math.max(0, envelopeBytes - ENVELOPE_OVERHEAD) * PADDED);
}

/** What becomes of the parts of a stream. */
interface StreamFate {
  /** Some are kept, and will leave. */
  readonly kept: () => void;
  /** They cannot be sent any more. */
  readonly failed: (error: unknown) => void;
}

/** The streams to one peer. */
export class PartSender {
  readonly #context: AgentContext;
  readonly #sender: Sender;
  readonly #to: Uint8Array;
  readonly #streams = new Map<StreamProducer, StreamFate>();
  #isCommitting = false;
  #isUnaccepted = false;
  #readyMs = 0;
  #cancelWake: (() => void) | null = null;

  constructor(context: AgentContext, sender: Sender, to: Uint8Array) {
    this.#context = context;
    this.#sender = sender;
    this.#to = to;
  }

  get isIdle(): boolean {
    return this.#streams.size === 0;
  }

  open(stream: StreamProducer, fate: StreamFate): void {
    this.#streams.set(stream, fate);
  }

  close(stream: StreamProducer): void {
    this.#streams.delete(stream);
    if (this.#streams.size === 0) this.#cancelWake?.();
  }

  /** Something is pending. */
  wake(): void {
    const pending = [...this.#streams.keys()].reduce((sum, one) => sum + one.pendingBytes, 0);
    const isAny = [...this.#streams.keys()].some(({ hasPending }) => hasPending);
    if (!isAny || this.#isCommitting) return;
    const waitMs = this.#readyMs - this.#context.waits();
    if (pending >= FULL_BYTES || (!this.#isUnaccepted && waitMs <= 0)) return void this.#flush();
    if (this.#isUnaccepted || this.#cancelWake !== null) return;
    this.#cancelWake = this.#context.runtime.schedule(Math.max(1, waitMs), () => {
      this.#cancelWake = null;
      this.wake();
    });
  }

  async #flush(): Promise<void> {
    this.#isCommitting = true;
    this.#isUnaccepted = true;
    this.#readyMs = this.#context.waits() + PACE_MS * this.#streams.size;
    try {
      let kept: readonly StreamProducer[] = [];
      await this.#sender.turn(this.#to, (speech) => {
        const { frames, streams } = this.#take();
        kept = streams;
        if (frames.length === 0) return this.#accepted();
        const draft = { kind: CONTENT_KIND.callFrames, body: encodeCallFrames(frames) };
        speech.say(draft, (refusal, stays) => {
          if (refusal !== null && stays === undefined) this.#fail(streams, refusal);
          this.#accepted();
        });
        speech.write(streams.map((stream) => stream.row()));
      });
      for (const stream of kept) this.#streams.get(stream)?.kept();
    } catch (error) {
      this.#fail([...this.#streams.keys()], error);
    }
    this.#isCommitting = false;
    this.wake();
  }

  /** What they have said will not arrive: they end, and their consumers hear of it. */
  #fail(streams: readonly StreamProducer[], error: unknown): void {
    for (const stream of streams) this.#streams.get(stream)?.failed(error);
  }

  #accepted(): void {
    this.#isUnaccepted = false;
    this.wake();
  }

  #take(): { readonly frames: readonly CallFrame[]; readonly streams: readonly StreamProducer[] } {
    const frames: CallFrame[] = [];
    const streams: StreamProducer[] = [];
    let room = partRoom(this.#context, MESSAGE_BYTES);
    // Another one is first the next time: none waits behind one that always has something.
    const [first] = this.#streams;
    if (first !== undefined) {
      this.#streams.delete(first[0]);
      this.#streams.set(...first);
    }
    for (const stream of this.#streams.keys()) {
      if (!stream.hasPending || room <= 0 || frames.length >= FRAMES) continue;
      const taken = stream.take(room, FRAMES - frames.length);
      frames.push(...taken);
      streams.push(stream);
      room -= taken.reduce((sum, { data }) => sum + data.length, 0);
    }
    return { frames, streams };
  }
}
