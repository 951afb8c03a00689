/**
 * Who the store belongs to and which opening of it this is (protocol.md §2.6, §2.11 P6). Owns the
 * row and its transitions: a new opening, a new run after one that did not end cleanly or after the
 * store went back in time, another identity, and the mark of a clean end.
 */
import { equalBytes, toHex } from '@agentmesh/crypto';
import type { RandomSource } from '@agentmesh/crypto';
import { StorageError } from '../ground/errors.js';
import { RowReader, RowWriter } from '../store/row-codec.js';

/** The store's own identity. */
export interface Meta {
  readonly aid: Uint8Array;
  readonly name: string;
  /**
   * 16 random bytes. The first half names the store: made with it, or with another identity. The
   * second half names the run of openings since the last one that did not end cleanly, or since the
   * store was seen to have gone back in time.
   */
  readonly instance: Uint8Array;
  /** Rises with each opening of the store, by how much is chance: see {@link openedMeta}. */
  readonly boot: number;
  /** Rises with each new instance: sessions of an earlier epoch only receive. */
  readonly epoch: number;
  /** The epoch in which our numbers began: they go on over runs, not over another identity. */
  readonly numbersSince: number;
  /** The epoch in which this identity began: 1 until it follows another one. */
  readonly since: number;
  /**
   * Prekeys with lower numbers were there when this run began or the store went back in time:
   * sessions begun with them may have been answered in a time that this store does not know.
   */
  readonly prekeysFrom: number;
  /** The instance before this run; null for the first run of a store. */
  readonly previous: Uint8Array | null;
}

/** A stored row: whether the opening that wrote it last ended cleanly. */
interface StoredMeta extends Meta {
  readonly isClean: boolean;
}

/**
 * Version 1 had no `since`: no identity had followed another one then. Version 2 had no
 * `prekeysFrom`. Version 3 knew of no runs. Version 4 did not know the run before.
 */
const VERSION = 5;
/** Bytes of an instance that name the store; the others name the run. */
const STORE_BYTES = 8;

/** Whether two instances are of one store, perhaps of two copies of it. */
export function isSameStore(a: Uint8Array, b: Uint8Array): boolean {
  return equalBytes(a.subarray(0, STORE_BYTES), b.subarray(0, STORE_BYTES));
}

/** The store that an instance is of, with no run of it. */
export function withoutRun(instance: Uint8Array): Uint8Array {
  const store = new Uint8Array(instance.length);
  store.set(instance.subarray(0, STORE_BYTES));
  return store;
}

/** The store that an instance is of, in hex. */
export function storeOf(instance: Uint8Array): string {
  return toHex(instance.subarray(0, STORE_BYTES));
}

/**
 * The row after one more opening; null stands for a new store. Throws STORE_MISMATCH. Two copies of
 * a store that are opened get different boots: that is how a hub's answer tells them apart. After
 * an end that was not clean this may be a copy of a store that went on: a new run begins, in which
 * nothing is sent that the lost one may have sent. `nextPrekey`: the number of the next prekey.
 */
export function openedMeta(
  stored: Uint8Array | null,
  owner: { readonly aid: Uint8Array; readonly name: string },
  run: {
    readonly random: RandomSource;
    readonly nextPrekey: number;
    /** Without a hub nobody could give us keys for new sessions: those that are there go on. */
    readonly hasHub: boolean;
  },
): Meta {
  const { random, nextPrekey, hasHub } = run;
  if (stored === null) {
    const { aid, name } = owner;
    const numbers = { boot: 1, epoch: 1, numbersSince: 1, since: 1, prekeysFrom: 0 };
    return { aid, name, instance: random(16), ...numbers, previous: null };
  }
  const { isClean, ...meta } = decodeStored(stored);
  if (!equalBytes(meta.aid, owner.aid)) {
    throw new StorageError('STORE_MISMATCH', `it was made with other keys, for '${meta.name}'`);
  }
  if (meta.name !== owner.name) {
    throw new StorageError('STORE_MISMATCH', `it was made for the name '${meta.name}'`);
  }
  const opened = { ...meta, boot: meta.boot + 1 + stepOf(random) };
  return isClean || !hasHub ? opened : nextRun(opened, nextPrekey, random);
}

/** The next run of the same store: its numbers go on, its sessions do not. */
export function nextRun(meta: Meta, prekeysFrom: number, random: RandomSource): Meta {
  const instance = random(16);
  instance.set(meta.instance.subarray(0, STORE_BYTES));
  const { instance: previous, epoch } = meta;
  return { ...meta, instance, epoch: epoch + 1, prekeysFrom, previous };
}

/** 0 to 1,023: 32 bits of boots last for millions of openings. */
function stepOf(random: RandomSource): number {
  const [high = 0, low = 0] = random(2);
  return (high % 4) * 256 + low;
}

/** The row after another identity has taken this one's place (§2.13). */
export function succeededMeta(meta: Meta, aid: Uint8Array, random: RandomSource): Meta {
  const epoch = meta.epoch + 1;
  const instance = random(16);
  return { ...meta, aid, instance, epoch, numbersSince: epoch, since: epoch, previous: null };
}

/** The row while the store is open. */
export function encodeMeta(meta: Meta): Uint8Array {
  return encodeStored({ ...meta, isClean: false });
}

/** The row as the last commit of an opening: nothing may be written after it. */
export function encodeClosedMeta(meta: Meta): Uint8Array {
  return encodeStored({ ...meta, isClean: true });
}

function encodeStored(meta: StoredMeta): Uint8Array {
  const row = new RowWriter().u8(VERSION).fixed(meta.aid).text(meta.name).fixed(meta.instance);
  row.u32(meta.boot).u32(meta.epoch).u32(meta.since).u32(meta.prekeysFrom);
  return row.u32(meta.numbersSince).flag(meta.isClean).optional(meta.previous).finish();
}

/** The opening that was cut off; null where the last one ended cleanly, or was none. */
export function cutBootIn(bytes: Uint8Array | null): number | null {
  const stored = bytes === null ? null : decodeStored(bytes);
  return stored === null || stored.isClean ? null : stored.boot;
}

/** Reads the row back; throws STORE_CORRUPT. */
export function decodeMeta(bytes: Uint8Array): Meta {
  const { isClean: _, ...meta } = decodeStored(bytes);
  return meta;
}

function decodeStored(bytes: Uint8Array): StoredMeta {
  const row = new RowReader(bytes, 'meta');
  const version = row.u8();
  if (version < 1 || version > VERSION) row.fail();
  const owner = { aid: row.fixed(32), name: row.text(), instance: row.fixed(16) };
  const boot = row.u32();
  const epoch = row.u32();
  const since = version === 1 ? 1 : row.u32();
  const prekeysFrom = version < 3 ? 0 : row.u32();
  const numbersSince = version < 4 ? epoch : row.u32();
  const isClean = version < 4 ? false : row.flag();
  const previous = version < 5 ? null : row.optional(16);
  row.end();
  return { ...owner, boot, epoch, since, prekeysFrom, numbersSince, isClean, previous };
}
