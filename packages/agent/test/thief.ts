/**
 * Somebody with a copy of everything that an agent keeps, keys and rows: he tries all of it on
 * every message that he has recorded. Owns the trying; what may open, the tests say.
 */
import {
  decodePrekeyPair,
  decodeSession,
  decodeSkippedKeys,
  parseMessage,
  systemRandom,
  toHex,
  unseal,
  unsealInitial,
} from '@agentmesh/crypto';
import type { AgentKeyPair, CryptoSession, PrekeyPair } from '@agentmesh/crypto';

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

/** The session of a row, with the keys that it has kept of messages that did not come. */
function sessionIn(rows: Loot['rows'], row: Uint8Array): CryptoSession {
  const session = decodeSession(row);
  const prefix = `skipped/${toHex(session.sid)}/`;
  const keys = [...rows].filter(([key]) => key.startsWith(prefix)).map(([, part]) => part);
  return { ...session, skipped: [...session.skipped, ...keys.flatMap(decodeSkippedKeys)] };
}

function openWith({ keyPair, rows, nowMs }: Loot, wire: Uint8Array): Uint8Array | null {
  const random = systemRandom;
  for (const [key, row] of rows) {
    if (!key.startsWith('session/')) continue;
    const result = unseal({ session: sessionIn(rows, row), wire, nowMs, random });
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
