/** Agents, a hub and their published keys with fixed secrets, for tests of verification. */
import {
  AgentKeyPair,
  createIdentityRecord,
  createPrekey,
  HubKeyPair,
  ready,
} from '@agentmesh/crypto';
import type { PrekeyKind } from '@agentmesh/crypto';

await ready();

export const NOW = 1_760_000_000_000;
export const DAY = 86_400_000;

/** The same key pair for the same number. */
export function agent(number: number): AgentKeyPair {
  return AgentKeyPair.fromSecrets({
    signingSeed: new Uint8Array(32).fill(number),
    dhScalar: new Uint8Array(32).fill(number + 100),
  });
}

export const alice = agent(1);
export const bob = agent(2);
export const hub = HubKeyPair.fromSeed(new Uint8Array(32).fill(9));

export interface RecordOptions {
  readonly name?: string;
  readonly hubId?: Uint8Array;
  readonly validUntilMs?: number;
  readonly revision?: number;
  readonly previous?: AgentKeyPair;
}

/** A record made now, for this hub, of revision 1. */
export function record(keyPair: AgentKeyPair, options: RecordOptions = {}): Uint8Array {
  return createIdentityRecord({
    keyPair,
    name: 'alice',
    hubId: hub.hubId,
    createdMs: NOW - 10 * DAY,
    validUntilMs: NOW + DAY,
    revision: 1,
    ...options,
  });
}

/** A published prekey; keys differ with `salt`. */
export function prekey(
  keyPair: AgentKeyPair,
  kind: PrekeyKind,
  id: number,
  { createdMs = NOW, expiresMs = NOW + DAY, salt = 0 } = {},
): Uint8Array {
  const random = (length: number): Uint8Array =>
    new Uint8Array(length).map((_, i) => i + id * 7 + salt);
  return createPrekey({ keyPair, kind, id, createdMs, expiresMs, random }).record.bytes;
}

/** A copy with one bit of one byte changed; negative positions count from the end. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}
