/**
 * A stream as its producer fills it: items wait to be sent together, and the producer waits where
 * its consumer has not read (protocol.md §2.19). Owns what is pending, sent and credited; when
 * parts leave is `part-sender`'s.
 */
import { CALL_FRAME, fromHex, nextPartHash } from '@agentmesh/crypto';
import type { CallFrame } from '@agentmesh/crypto';
import { RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import type { StoreOperation } from '../store/store.js';
import { encodeItem, encodePart, NO_PARTS, PART_COST } from './stream-items.js';
import type { EncodedItem } from './stream-items.js';

/** How far a stream is, as its producer keeps it. */
export interface Produced {
  /** Counts the runs of the handler. */
  readonly run: number;
  /** Items that are in parts, and the hash of these. */
  readonly items: number;
  readonly hash: Uint8Array;
}

const VERSION = 1;
const HASH_BYTES = 32;
/** A consumer may allow as much, and no more. */
const HIGHEST_WINDOW = 4 * 1024 * 1024;
/** Items of one part, beyond a single one. */
const PART_BYTES = 64 * 1024;

export const NOTHING_PRODUCED: Produced = { run: 0, items: 0, hash: NO_PARTS };

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeProduced(bytes: Uint8Array): Produced {
  const row = new RowReader(bytes, 'produced');
  if (row.u8() !== VERSION) row.fail();
  const produced = { run: row.u32(), items: row.u64(), hash: row.fixed(HASH_BYTES) };
  row.end();
  return produced;
}

/** One stream in the making. */
export class StreamProducer {
  readonly #id: string;
  readonly #callId: Uint8Array;
  #produced: Produced;
  #window: number;
  readonly #pending: EncodedItem[] = [];
  #pendingBytes = 0;
  /** Parts that the consumer has not read: number behind their last item, and bytes. */
  readonly #unread: { readonly upTo: number; readonly bytes: number }[] = [];
  #unreadBytes = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(id: string, produced: Produced, window: number) {
    this.#id = id;
    this.#callId = fromHex(id);
    this.#produced = { ...produced, run: produced.run + 1 };
    this.#window = Math.min(window, HIGHEST_WINDOW);
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Adds an item; throws BAD_PAYLOAD. */
  add(item: unknown): void {
    const encoded = encodeItem(item);
    this.#pending.push(encoded);
    this.#pendingBytes += costOf(encoded);
  }

  /** Whether there is credit for another item. */
  get hasRoom(): boolean {
    return this.#pendingBytes + this.#unreadBytes < this.#window;
  }

  /** Resolves when there is. */
  async room(): Promise<void> {
    while (!this.hasRoom) {
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
  }

  /** The consumer has read so much. What it says of more than was sent is no credit. */
  credit(at: number, window: number): void {
    if (at > this.#produced.items) return;
    this.#window = Math.min(window, HIGHEST_WINDOW);
    while (this.#unread[0] !== undefined && this.#unread[0].upTo <= at) {
      this.#unreadBytes -= this.#unread.shift()?.bytes ?? 0;
    }
    for (const go of this.#waiting.splice(0)) go();
  }

  /** What is pending, as so many parts of so many bytes together at most; at least one item. */
  take(mostBytes: number, mostFrames: number): CallFrame[] {
    const frames: CallFrame[] = [];
    let bytes = 0;
    for (let [next] = this.#pending; next !== undefined; [next] = this.#pending) {
      if (frames.length >= mostFrames) break;
      if (bytes > 0 && bytes + next.data.length >= mostBytes) break;
      const frame = this.#nextPart(Math.min(PART_BYTES, mostBytes - bytes));
      bytes += frame.data.length;
      frames.push(frame);
    }
    return frames;
  }

  #nextPart(mostBytes: number): CallFrame {
    const items: EncodedItem[] = [];
    let bytes = 0;
    for (const item of this.#pending) {
      const isAlone = item.isBytes || items[0]?.isBytes === true;
      const isFull = items.length > 0 && (isAlone || bytes + item.data.length > mostBytes);
      if (isFull) break;
      items.push(item);
      bytes += item.data.length + 1;
    }
    this.#pending.splice(0, items.length);
    this.#pendingBytes -= items.reduce((sum, item) => sum + costOf(item), 0);
    const data = encodePart(items);
    const { run, items: at, hash } = this.#produced;
    const upTo = at + items.length;
    this.#produced = { run, items: upTo, hash: nextPartHash(hash, data) };
    const cost = data.length + PART_COST;
    this.#unread.push({ upTo, bytes: cost });
    this.#unreadBytes += cost;
    return { callId: this.#callId, what: CALL_FRAME.part, run, at, data };
  }

  /** The end of all that was taken; `result` is the JSON of a payload. */
  end(result: Uint8Array): CallFrame {
    const { run, items: at, hash } = this.#produced;
    const data = new Uint8Array(HASH_BYTES + result.length);
    data.set(hash);
    data.set(result, HASH_BYTES);
    return { callId: this.#callId, what: CALL_FRAME.end, run, at, data };
  }

  /** Kept with the commit that sends what was taken, so that the next run goes on there. */
  row(): StoreOperation {
    const { run, items, hash } = this.#produced;
    const row = new RowWriter().u8(VERSION).u32(run).u64(items).fixed(hash);
    return { put: ROW.produced(this.#id), value: row.finish() };
  }
}

/** Of bytes each item is a part. */
function costOf({ isBytes, data }: EncodedItem): number {
  return data.length + (isBytes ? PART_COST : 0);
}
