/**
 * The row of a change of identity that was begun (protocol.md §2.13): it is there from before the
 * hub hears of the next identity until the commit that makes it the present one. Owns the layout.
 */
import { AgentKeyPair } from '@agentmesh/crypto';
import { RowReader, RowWriter } from '../store/row-codec.js';

/** A change that was begun. */
export interface BegunRotation {
  readonly previous: AgentKeyPair;
  /** aid of the next identity. */
  readonly next: Uint8Array;
  /**
   * What the hub is told: signed once, so that it is the same however often it is told. Null in
   * rows of version 1.
   */
  readonly record: Uint8Array | null;
}

/** Version 1 had no record. */
const VERSION = 2;

export function encodeBegun({ previous, next, record }: BegunRotation): Uint8Array {
  const { signingSeed, dhScalar } = previous.exportSecrets();
  const row = new RowWriter().u8(VERSION).fixed(signingSeed).fixed(dhScalar).fixed(next);
  return row.bytes(record ?? new Uint8Array()).finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeBegun(bytes: Uint8Array): BegunRotation {
  const row = new RowReader(bytes, 'rotation');
  const version = row.u8();
  if (version < 1 || version > VERSION) row.fail();
  const secrets = { signingSeed: row.fixed(32), dhScalar: row.fixed(32) };
  const begun = { previous: AgentKeyPair.fromSecrets(secrets), next: row.fixed(32) };
  const record = version === 1 ? new Uint8Array() : row.bytes();
  row.end();
  return { ...begun, record: record.length === 0 ? null : record };
}
