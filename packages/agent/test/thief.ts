/**
 * Somebody with a copy of everything that an agent keeps, keys and rows: he tries all of it on
 * every message that he has recorded. Owns the trying; what may open, the tests say.
 */
import {
  decodePrekeyPair,
  decodeSession,
  parseMessage,
  systemRandom,
  unseal,
  unsealInitial,
} from '@agentmesh/crypto';
import type { AgentKeyPair, PrekeyPair } from '@agentmesh/crypto';

/** What the thief has. */
export interface Loot {
  readonly keyPair: AgentKeyPair;
  readonly rows: ReadonlyMap<string, Uint8Array>;
  readonly nowMs: number;
}

/** The plaintexts of the recorded messages that open, as text. */
export function opens(loot: Loot, wires: readonly Uint8Array[]): string[] {
  return wires.flatMap((wire) => {
    const content = openWith(loot, wire);
    return content === null ? [] : [Buffer.from(content).toString('latin1')];
  });
}

function openWith({ keyPair, rows, nowMs }: Loot, wire: Uint8Array): Uint8Array | null {
  const random = systemRandom;
  for (const [key, row] of rows) {
    if (!key.startsWith('session/')) continue;
    const result = unseal({ session: decodeSession(row), wire, nowMs, random });
    if (result.ok) return result.contentBytes;
  }
  if (parseMessage(wire).prekeyBlock === null) return null;
  const pairs = (prefix: string): Map<number, PrekeyPair> =>
    new Map(
      [...rows]
        .filter(([key]) => key.startsWith(prefix))
        .map(([, row]) => decodePrekeyPair(row, keyPair.identity))
        .map((pair) => [pair.record.id, pair]),
    );
  const [signed, oneTime] = [pairs('prekey/signed/'), pairs('prekey/one-time/')];
  const prekeys = {
    signed: (id: number) => signed.get(id) ?? null,
    oneTime: (id: number) => oneTime.get(id) ?? null,
  };
  const isKnownSid = (): boolean => false;
  const opened = unsealInitial({ keyPair, wire, prekeys, isKnownSid, nowMs, random });
  return opened.ok ? opened.contentBytes : null;
}
