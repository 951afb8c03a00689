/**
 * Our numbers towards one peer: which is next, which it has, and what is kept of those between.
 * Owns this value and its part of the peer's row.
 */
import type { RowReader, RowWriter } from '../store/row-codec.js';
import { readLink, writeLink } from './sequence-window.js';
import type { RunLink } from './sequence-window.js';

/** Our numbers towards one peer. */
export interface Outgoing {
  /** Our epoch that these numbers belong to. */
  readonly epoch: number;
  readonly next: number;
  /** The peer has everything up to here. */
  readonly acked: number;
  /** The last number that wants an acknowledgement: a message of the application. */
  readonly wanted: number;
  /** Our epoch in which the last one was taken, and our instance then; null before version 5. */
  readonly run: number;
  readonly instance: Uint8Array | null;
  /** From where runs of ours went on that the peer has not acknowledged yet, the last one last. */
  readonly links: readonly RunLink[];
  /** Lowest number whose content is kept. */
  readonly keptFrom: number;
  /** Bytes of all contents so far, and of those before some number up to `keptFrom`. */
  readonly total: number;
  readonly before: number;
  /** When old contents were last looked for. */
  readonly trimmedMs: number;
}

/** Our numbers at the beginning of an epoch. */
export function freshOutgoing(epoch: number): Outgoing {
  const numbers = { next: 1, acked: 0, wanted: 0, keptFrom: 1, total: 0, before: 0, trimmedMs: 0 };
  return { epoch, ...numbers, run: 0, instance: null, links: [] };
}

/** Our numbers, begun anew if they are of an earlier epoch of our store. */
export function outgoingOf({ outgoing }: { readonly outgoing: Outgoing }, epoch: number): Outgoing {
  return outgoing.epoch === epoch ? outgoing : freshOutgoing(epoch);
}

/** Whether a message of the application has not been acknowledged, nor given up. */
export function isAwaiting({ acked, wanted, keptFrom }: Outgoing): boolean {
  return wanted > acked && wanted >= keptFrom;
}

export function writeOutgoing(row: RowWriter, outgoing: Outgoing): void {
  const { epoch, next, acked, wanted, keptFrom, total, before, trimmedMs } = outgoing;
  row.u32(epoch).varint(next).varint(acked).varint(wanted).varint(keptFrom);
  row.u64(total).u64(before).u64(trimmedMs).u32(outgoing.run).optional(outgoing.instance);
  row.list(outgoing.links, (link) => writeLink(row, link));
}

/** Reads them back, as a version of the peer's row has them. */
export function readOutgoing(row: RowReader, version: number): Outgoing {
  const number = (): number => (version < 9 ? row.u64() : row.varint());
  return {
    epoch: row.u32(),
    next: number(),
    acked: number(),
    wanted: version < 4 ? 0 : number(),
    keptFrom: number(),
    total: row.u64(),
    before: row.u64(),
    trimmedMs: row.u64(),
    run: version < 5 ? 0 : row.u32(),
    instance: version < 5 ? null : row.optional(16),
    links: version < 10 ? [] : row.list(() => readLink(row)),
  };
}
