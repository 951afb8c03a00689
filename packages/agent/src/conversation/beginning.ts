/**
 * Where conversations with peers begin that are not known (any more): above every number and every
 * generation that was used with one who was forgotten since, so that it finds nothing twice if it
 * comes again. Owns this one row for all of them; nothing in it names a peer.
 */
import { RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { Peer } from './peer.js';

/** What was used before. */
interface Beginning {
  /** Our highest number. */
  readonly number: number;
  /** The highest generation of sessions. */
  readonly generation: number;
}

const VERSION = 1;
/** A peer can name any generation: it raises that of others by so much at most. */
const GENERATION_STEP = 256;

async function loadBeginning(tx: StoreTransaction): Promise<Beginning> {
  const bytes = await tx.get(ROW.beginning);
  if (bytes === null) return { number: 0, generation: 0 };
  const row = new RowReader(bytes, 'beginning');
  if (row.u8() !== VERSION) row.fail();
  const beginning = { number: row.u64(), generation: row.u32() };
  row.end();
  return beginning;
}

/** This peer is forgotten. */
export async function raiseBeginning(tx: StoreTransaction, peer: Peer): Promise<void> {
  const before = await loadBeginning(tx);
  const number = Math.max(before.number, peer.outgoing.next - 1);
  const named = Math.min(peer.generation, before.generation + GENERATION_STEP, 0xffff_fffe);
  const generation = Math.max(before.generation, named);
  if (number === before.number && generation === before.generation) return;
  tx.put(ROW.beginning, new RowWriter().u8(VERSION).u64(number).u32(generation).finish());
}

/** A peer that was just met, where its conversation begins. */
export async function begun(tx: StoreTransaction, peer: Peer): Promise<Peer> {
  const { number, generation } = await loadBeginning(tx);
  const outgoing = { ...peer.outgoing, next: number + 1, keptFrom: number + 1 };
  return { ...peer, outgoing, generation };
}
