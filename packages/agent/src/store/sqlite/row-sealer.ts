/**
 * Values on their way to the disk and back: what rests there is encrypted under the store key and
 * opens only in its own table under its own key (protocol.md §2.11). Owns the names of the tables
 * as places; the cipher is `@agentmesh/crypto`'s.
 */
import { openRow, sealRow } from '@agentmesh/crypto/node';
import type { RandomSource, Secret } from '@agentmesh/crypto';

/** Tables that hold sealed values. */
export type SealedTable = 'meta' | 'row' | 'journal';

/** Seals and opens values of one store. */
export class RowSealer {
  readonly #storeKey: Secret<'store key'>;
  readonly #random: RandomSource;

  constructor(storeKey: Secret<'store key'>, random: RandomSource) {
    this.#storeKey = storeKey;
    this.#random = random;
  }

  seal(table: SealedTable, id: string, row: Uint8Array): Uint8Array {
    return sealRow({ storeKey: this.#storeKey, table, id, row, random: this.#random });
  }

  /** Takes whatever the database gave; null if that is not what this store wrote there. */
  open(table: SealedTable, id: unknown, sealed: unknown): Uint8Array | null {
    if (typeof id !== 'string' || !(sealed instanceof Uint8Array)) return null;
    return openRow({ storeKey: this.#storeKey, table, id, sealed });
  }
}
