/**
 * An identity of ours that another one has followed (protocol.md §2.13): it receives what was on
 * its way, then only vouches for its successor in renewed records. Owns the row and its times.
 */
import { AgentKeyPair } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { Meta } from './meta.js';
import { decodePrekeyState, encodePrekeyState } from './prekeys.js';
import type { PrekeyState } from './prekeys.js';
import { RowReader, RowWriter } from '../store/row-codec.js';

/** One former identity. */
export interface FormerIdentity {
  readonly keyPair: AgentKeyPair;
  /** Its last epoch, the one in which its numbers began, and the one in which it began itself. */
  readonly epoch: number;
  readonly numbersSince: number;
  readonly since: number;
  readonly succeededMs: number;
  /** Its prekeys, whose private halves stay as long as it receives. */
  readonly prekeys: PrekeyState;
}

/** What becomes of the present identity. */
export function formerOf(
  keyPair: AgentKeyPair,
  { epoch, numbersSince, since }: Meta,
  { prekeys, nowMs }: { readonly prekeys: PrekeyState; readonly nowMs: number },
): FormerIdentity {
  return { keyPair, epoch, numbersSince, since, succeededMs: nowMs, prekeys };
}

/** Whether it still receives. A clock that was set back does not end it. */
export function receives({ succeededMs }: FormerIdentity, nowMs: number): boolean {
  return nowMs - succeededMs < AGENT_LIMITS.formerReceivesMs;
}

/** Whether its signature still goes into records of its successor. */
export function vouches({ succeededMs }: FormerIdentity, nowMs: number): boolean {
  return nowMs - succeededMs < AGENT_LIMITS.formerVouchesMs;
}

/** Numbers of all prekeys that it ever issued and whose private halves are kept. */
export function prekeyIdsOf({ prekeys }: FormerIdentity): {
  readonly signed: readonly number[];
  readonly oneTime: readonly number[];
} {
  const idOf = ({ id }: { readonly id: number }): number => id;
  return { signed: prekeys.signed.map(idOf), oneTime: prekeys.oneTime.map(idOf) };
}

/** Version 1 had no `numbersSince`: a new epoch was a new store then. */
const VERSION = 2;

export function encodeFormer(former: FormerIdentity): Uint8Array {
  const { signingSeed, dhScalar } = former.keyPair.exportSecrets();
  const row = new RowWriter().u8(VERSION).fixed(signingSeed).fixed(dhScalar);
  row.u32(former.epoch).u32(former.numbersSince).u32(former.since).u64(former.succeededMs);
  return row.bytes(encodePrekeyState(former.prekeys)).finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
export function decodeFormer(bytes: Uint8Array): FormerIdentity {
  const row = new RowReader(bytes, 'former');
  const version = row.u8();
  if (version < 1 || version > VERSION) row.fail();
  const secrets = { signingSeed: row.fixed(32), dhScalar: row.fixed(32) };
  const epoch = row.u32();
  const former = {
    keyPair: AgentKeyPair.fromSecrets(secrets),
    epoch,
    numbersSince: version === 1 ? epoch : row.u32(),
    since: row.u32(),
    succeededMs: row.u64(),
    prekeys: decodePrekeyState(row.bytes()),
  };
  row.end();
  return former;
}
