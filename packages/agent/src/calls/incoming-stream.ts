/**
 * A stream as its consumer reads it: parts that came are rows until they were read, and the end is
 * told only when it fits to all of them (protocol.md §2.19). Owns order, credit and this check.
 */
import {
  AgentMeshError,
  CALL_FRAME,
  CONTENT_KIND,
  encodeCallFrames,
  fromHex,
  nextPartHash,
} from '@agentmesh/crypto';
import type { CallFrame } from '@agentmesh/crypto';
import type { JsonValue } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import type { Speech } from '../sending/speech.js';
import { ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { StoreOperation } from '../store/store.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { Told } from './call-end.js';
import { decodePart, NO_PARTS, PART_COST } from './stream-items.js';
import type { StreamItem } from './stream-items.js';
import { decodeEnd, decodeRead, encodeEnd, encodeRead, resultOf } from './stream-rows.js';
import type { StreamEnd } from './stream-rows.js';

/** First window of a stream in bytes, and the most that one gets. */
export const STREAM_WINDOW = 256 * 1024;
/** A producer may overdraw its window by one item. */
const SLACK = 1_100_000;
/** What is read is told in portions of this part of the window, or after a while. */
const PORTION = 4;
const TELL_MS = 200;
const TELL_AGAIN_MS = 5_000;
/** More parts than a window can hold: each counts more than its data. */
const STREAM_PARTS = 10_000;

/** What a stream works with. */
export interface StreamMeans {
  readonly id: string;
  readonly about: () => { readonly peer: string; readonly deadline: Date };
  readonly context: Pick<AgentContext, 'store' | 'runtime' | 'keepAlive'>;
  readonly turn: <T>(task: (speech: Speech) => T) => Promise<T>;
  /** All of it is here: no deadline any more. */
  readonly isAnswered: () => void;
  /** Read to its end, or given up: nothing of it is kept. */
  readonly done: () => void;
  readonly cancel: (reason: string) => Promise<void>;
}

interface Part {
  readonly items: readonly StreamItem[];
  readonly data: Uint8Array;
}

/** Chunks of a request, and its result. Read it with `for await`, once. */
export class IncomingStream implements AsyncIterableIterator<StreamItem> {
  readonly #means: StreamMeans;
  readonly #result = Promise.withResolvers<JsonValue>();
  /** By the number of its first item: what came and was not read. */
  readonly #parts = new Map<number, Part>();
  #bytes = 0;
  /** Items read, and the hash of the parts read; items read of the present part. */
  #read = 0;
  #hash: Uint8Array = NO_PARTS;
  #inPart = 0;
  /** Read since it was told last. */
  #untold = { bytes: 0, parts: [] as number[] };
  #cancelTelling: (() => void) | null = null;
  #end: StreamEnd | null = null;
  #failure: Error | null = null;
  #isOver = false;
  /** Who has begun to read it in this run: the program, or nobody but for its result. */
  #reader: 'program' | 'result' | null = null;
  #isWanted = false;
  #waiting: (() => void)[] = [];

  constructor(means: StreamMeans) {
    this.#means = means;
    this.#result.promise.catch(() => undefined);
  }

  /** 32 hex digits: the id of the request. */
  get id(): string {
    return this.#means.id;
  }

  /** Name of who produces it, and when it ends with DEADLINE if not all of it is here. */
  get about(): { readonly peer: string; readonly deadline: Date } {
    return this.#means.about();
  }

  /** Fulfilled when the stream was read to its end. Rejects like the stream. Wants nothing. */
  get result(): Promise<JsonValue> {
    return this.#result.promise;
  }

  /**
   * The result for somebody who waits for it: told as soon as all of it is here. Where nobody has
   * begun to read by the next turn, the chunks are read for it and dropped.
   */
  wanted(): Promise<JsonValue> {
    const { keepAlive, runtime } = this.#means.context;
    if (!this.#isWanted) {
      this.#isWanted = true;
      this.#settleEarly();
      runtime.schedule(0, () => {
        if (this.#reader === null) void this.#readForResult();
      });
    }
    return keepAlive.during(this.#result.promise);
  }

  /** Number of the item that comes next: after a restart some may come a second time. */
  get position(): number {
    return this.#read;
  }

  /**
   * Whether all of it is here, read or not. An end alone is not enough: a part before it may never
   * come, such as one that no hub takes.
   */
  get isEnded(): boolean {
    if (this.#end === null) return false;
    let at = this.#read - this.#inPart;
    for (let part = this.#parts.get(at); part !== undefined; part = this.#parts.get(at)) {
      at += part.items.length;
    }
    return at >= this.#end.count;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<StreamItem, undefined>> {
    if (this.#reader === 'result') throw new AgentError('STREAM_READ');
    this.#reader = 'program';
    return this.#next();
  }

  async #next(): Promise<IteratorResult<StreamItem, undefined>> {
    for (;;) {
      const item = this.#take();
      if (item !== undefined) return { done: false, value: item };
      if (this.#failure !== null) return this.#fail(this.#failure);
      if (this.#isOver) return { done: true, value: undefined };
      if (this.#end !== null && this.#read >= this.#end.count) return this.#finish(this.#end);
      this.#tellLater();
      await this.#more();
    }
  }

  async #readForResult(): Promise<void> {
    this.#reader = 'result';
    try {
      while ((await this.#next()).done !== true);
    } catch {
      // Whoever waits for the result is told.
    }
  }

  /** Leaving the loop cancels the stream. */
  async return(): Promise<IteratorResult<StreamItem, undefined>> {
    await this.cancel('the consumer left the loop');
    return { done: true, value: undefined };
  }

  /** Gives the stream up; its producer is told. Does nothing to one that was read to its end. */
  async cancel(reason = ''): Promise<void> {
    if (this.#isOver) return;
    await this.#means.cancel(reason);
    const cancelled = new AgentError('CANCELLED', reason === '' ? undefined : reason);
    this.#close(this.#failure ?? cancelled);
  }

  /** Takes up what an earlier run received. */
  async load(): Promise<void> {
    const { id, context } = this.#means;
    for await (const { key, value } of rowsUnder(context.store, `part/${id}`)) {
      if (key === ROW.streamEnd(id)) this.#end = decodeEnd(value);
      else if (key === ROW.streamRead(id))
        ({ items: this.#read, hash: this.#hash } = decodeRead(value));
      else this.#add(Number.parseInt(key.slice(key.lastIndexOf('/') + 1), 16), value);
    }
  }

  /** Writes a frame with the commit of its message. */
  stage(tx: StoreTransaction, { what, at, data }: CallFrame): void {
    if (this.#isOver || this.#failure !== null) return;
    const { id } = this.#means;
    if (what === CALL_FRAME.part) tx.put(ROW.part(id, at), data);
    if (what === CALL_FRAME.end) tx.put(ROW.streamEnd(id), encodeEnd(at, data));
  }

  /** The frame is committed. */
  follow({ what, at, data }: CallFrame): void {
    if (this.#isOver || this.#failure !== null) return;
    if (what === CALL_FRAME.part) this.#add(at, data);
    if (what === CALL_FRAME.end) this.#setEnd(decodeEnd(encodeEnd(at, data)));
    if (this.isEnded) this.#means.isAnswered();
    this.#settleEarly();
    this.#wake();
  }

  /** The request ended otherwise than by the end of the stream. */
  callEnded(outcome: Told): void {
    if (this.#isOver) return;
    if ('error' in outcome) this.#break(outcome.error);
    else this.#close(null, outcome.value);
    this.#wake();
  }

  /** The agent ends: what came is kept for the next run. */
  stop(reason: Error): void {
    if (this.#isOver) return;
    this.#break(this.#failure ?? reason);
    this.#cancelTelling?.();
    this.#wake();
  }

  /** Nothing more of it is given to anybody. */
  #break(error: Error): void {
    this.#failure = error;
    this.#result.reject(error);
  }

  /** Whoever waits for the result need not wait until the chunks that are here were read. */
  #settleEarly(): void {
    if (!this.#isWanted || this.#end === null || this.#failure !== null || !this.isEnded) return;
    let at = this.#read - this.#inPart;
    let hash = this.#hash;
    for (let part = this.#parts.get(at); part !== undefined; part = this.#parts.get(at)) {
      hash = nextPartHash(hash, part.data);
      at += part.items.length;
    }
    try {
      const { peer } = this.about;
      this.#result.resolve(resultOf(this.#end, { items: at, hash, peer }));
    } catch (error) {
      this.#result.reject(error);
    }
  }

  #setEnd(end: StreamEnd): void {
    if (this.#end !== null) {
      this.#break(new AgentError('STREAM_BROKEN', 'it ended twice'));
      return;
    }
    this.#end = end;
  }

  /** A part that overlaps another, goes back or overdraws its credit breaks the stream. */
  #add(at: number, data: Uint8Array): void {
    try {
      const items = decodePart(data);
      const part = { items, data };
      const fault = this.#faultOf(at, part);
      if (fault !== null) throw new AgentError('STREAM_BROKEN', fault);
      this.#parts.set(at, part);
      this.#bytes += data.length;
    } catch (error) {
      const isTyped = error instanceof AgentError;
      this.#break(isTyped ? error : new AgentError('STREAM_BROKEN', 'no items', error));
    }
  }

  #faultOf(at: number, { items, data }: Part): string | null {
    if (items.length === 0) return 'a part without items';
    if (!Number.isSafeInteger(at + items.length)) return 'a number beyond all items';
    const from = this.#read - this.#inPart;
    for (const [begin, other] of this.#parts) {
      const isApart = at + items.length <= begin || begin + other.items.length <= at;
      if (!isApart) return `items ${at} to ${at + items.length - 1} came twice`;
    }
    if (at < from) return `item ${at} came again`;
    const isMore = this.#bytes + data.length > STREAM_WINDOW + SLACK;
    if (isMore || this.#parts.size >= STREAM_PARTS) return 'more than its credit';
    return null;
  }

  /** The next item, if it is here. */
  #take(): StreamItem | undefined {
    if (this.#failure !== null || this.#isOver) return undefined;
    const begin = this.#read - this.#inPart;
    const part = this.#parts.get(begin);
    const item = part?.items[this.#inPart];
    if (part === undefined || item === undefined) return undefined;
    this.#read += 1;
    this.#inPart += 1;
    if (this.#inPart === part.items.length) this.#endPart(begin, part);
    return item;
  }

  #endPart(begin: number, { data }: Part): void {
    this.#hash = nextPartHash(this.#hash, data);
    this.#inPart = 0;
    this.#parts.delete(begin);
    this.#bytes -= data.length;
    this.#untold.bytes += data.length + PART_COST;
    this.#untold.parts.push(begin);
    if (this.#untold.bytes >= STREAM_WINDOW / PORTION) void this.#tellRead();
  }

  /** All of it is read: little streams whose reader is fast say so a few times a second. */
  #tellLater(delayMs = TELL_MS): void {
    if (this.#untold.parts.length === 0) return;
    const { runtime } = this.#means.context;
    this.#cancelTelling ??= runtime.schedule(delayMs, () => void this.#tellRead());
  }

  /** One commit: what was read is gone, and the producer has credit again. */
  async #tellRead(): Promise<void> {
    this.#cancelTelling?.();
    this.#cancelTelling = null;
    const { parts, bytes } = this.#untold;
    // In the middle of a part it is too early; at the end nobody needs credit any more.
    const isAtEnd = this.#end !== null && this.#read >= this.#end.count;
    if (parts.length === 0 || this.#inPart > 0 || this.#isOver || isAtEnd) return;
    this.#untold = { bytes: 0, parts: [] };
    const { id, turn } = this.#means;
    const at = this.#read;
    const writes: StoreOperation[] = parts.map((part) => ({ delete: ROW.part(id, part) }));
    writes.push({ put: ROW.streamRead(id), value: encodeRead({ items: at, hash: this.#hash }) });
    const window = new Uint8Array(4);
    new DataView(window.buffer).setUint32(0, STREAM_WINDOW);
    const frame = { callId: fromHex(id), what: CALL_FRAME.credit, run: 0, at, data: window };
    try {
      await turn((speech) => {
        // Nothing is kept of one that is over.
        if (this.#isOver) return;
        speech.say({ kind: CONTENT_KIND.callFrames, body: encodeCallFrames([frame]) });
        speech.write(writes);
      });
    } catch (error) {
      if (error instanceof AgentMeshError && error.retryable && this.#failure === null) {
        // The producer cannot be told now: what was read stays read, and is told a while later.
        const { bytes: since, parts: later } = this.#untold;
        this.#untold = { bytes: bytes + since, parts: [...parts, ...later] };
        return this.#tellLater(TELL_AGAIN_MS);
      }
      this.#break(this.#failure ?? brokenBy(error));
      this.#wake();
    }
  }

  /** Waits until something has come. */
  async #more(): Promise<void> {
    const release = this.#means.context.keepAlive.hold();
    try {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    } finally {
      release();
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** The end was reached: is it the end of what was read? */
  #finish(end: StreamEnd): Promise<IteratorResult<StreamItem, undefined>> {
    const { peer } = this.about;
    try {
      this.#close(null, resultOf(end, { items: this.#read, hash: this.#hash, peer }));
    } catch (error) {
      return this.#fail(brokenBy(error));
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  #fail(error: Error): Promise<never> {
    this.#close(error);
    return Promise.reject(error);
  }

  #close(error: Error | null, result: JsonValue = null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = error;
    this.#cancelTelling?.();
    if (error === null) this.#result.resolve(result);
    else this.#result.reject(error);
    this.#parts.clear();
    this.#means.done();
    this.#wake();
  }
}

function brokenBy(error: unknown): Error {
  return error instanceof Error ? error : new AgentError('STREAM_BROKEN');
}
