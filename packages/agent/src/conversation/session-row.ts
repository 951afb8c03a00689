/**
 * The row of one end of a session. Owns that it is decoded once, however often it is read; its
 * layout is crypto's.
 */
import { decodeSession, encodeSession } from '@agentmesh/crypto';
import type { CryptoSession } from '@agentmesh/crypto';
import { DecodedRows } from '../store/decoded-rows.js';

const rows = new DecodedRows<CryptoSession>();

export function encodeSessionRow(session: CryptoSession): Uint8Array {
  return rows.written(encodeSession(session), session);
}

/** Reads a row back; throws MALFORMED. */
export function decodeSessionRow(bytes: Uint8Array): CryptoSession {
  return rows.read(bytes, decodeSession);
}
