/**
 * Who the store belongs to and which opening of it this is (protocol.md §2.6, §2.11 P6). Owns the
 * row and its two transitions: a new opening, and a new instance after the store went back in time.
 */
import { equalBytes } from '@agentmesh/crypto';
import type { RandomSource } from '@agentmesh/crypto';
import { StorageError } from '../ground/errors.js';
import { RowReader, RowWriter } from '../store/row-codec.js';

/** The store's own identity. */
export interface Meta {
  readonly aid: Uint8Array;
  readonly name: string;
  /** 16 random bytes made with the store, or after it went back in time. */
  readonly instance: Uint8Array;
  /** Rises with each opening of the store, by how much is chance: see {@link openedMeta}. */
  readonly boot: number;
  /** Rises with each new instance: sessions of an earlier epoch only receive. */
  readonly epoch: number;
  /** The epoch in which this identity began: 1 until it follows another one. */
  readonly since: number;
  /**
   * Prekeys with lower numbers were there when the store went back in time: who used one may have
   * gone on with what was lost since.
   */
  readonly prekeysFrom: number;
}

/**
 * Version 1 had no `since`: no identity had followed another one then. Version 2 had no
 * `prekeysFrom`.
 */
const VERSION = 3;

/**
 * The row after one more opening; null stands for a new store. Throws STORE_MISMATCH. Two copies of
 * a store that are opened get different boots: that is how a hub's answer tells them apart.
 */
export function openedMeta(
  stored: Uint8Array | null,
  owner: { readonly aid: Uint8Array; readonly name: string },
  random: RandomSource,
): Meta {
  if (stored === null) {
    const { aid, name } = owner;
    return { aid, name, instance: random(16), boot: 1, epoch: 1, since: 1, prekeysFrom: 0 };
  }
  const meta = decodeMeta(stored);
  if (!equalBytes(meta.aid, owner.aid)) {
    throw new StorageError('STORE_MISMATCH', `it was made with other keys, for '${meta.name}'`);
  }
  if (meta.name !== owner.name) {
    throw new StorageError('STORE_MISMATCH', `it was made for the name '${meta.name}'`);
  }
  return { ...meta, boot: meta.boot + 1 + stepOf(random) };
}

/** 0 to 1,023: 32 bits of boots last for millions of openings. */
function stepOf(random: RandomSource): number {
  const [high = 0, low = 0] = random(2);
  return (high % 4) * 256 + low;
}

/** The row after a rollback was seen. `prekeysFrom`: the number of the next prekey. */
export function renewedMeta(meta: Meta, prekeysFrom: number, random: RandomSource): Meta {
  return { ...meta, instance: random(16), epoch: meta.epoch + 1, prekeysFrom };
}

/** The row after another identity has taken this one's place (§2.13). */
export function succeededMeta(meta: Meta, aid: Uint8Array, random: RandomSource): Meta {
  const renewed = renewedMeta(meta, meta.prekeysFrom, random);
  return { ...renewed, aid, since: renewed.epoch };
}

export function encodeMeta(meta: Meta): Uint8Array {
  const row = new RowWriter().u8(VERSION).fixed(meta.aid).text(meta.name).fixed(meta.instance);
  row.u32(meta.boot).u32(meta.epoch).u32(meta.since).u32(meta.prekeysFrom);
  return row.finish();
}

/** Reads the row back; throws STORE_CORRUPT. */
export function decodeMeta(bytes: Uint8Array): Meta {
  const row = new RowReader(bytes, 'meta');
  const version = row.u8();
  if (version < 1 || version > VERSION) row.fail();
  const meta = {
    aid: row.fixed(32),
    name: row.text(),
    instance: row.fixed(16),
    boot: row.u32(),
    epoch: row.u32(),
    since: version === 1 ? 1 : row.u32(),
    prekeysFrom: version < 3 ? 0 : row.u32(),
  };
  row.end();
  return meta;
}
