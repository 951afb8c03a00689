/**
 * What tests of the SQLite store need: folders that go away, agents and envelopes by number.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  AppendOutcome,
  CommitResult,
  HubStore,
  NewEnvelope,
  QueueChanges,
  QueueQuota,
} from '@agentmesh/hub-local';

export const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;

/** Runs a test in an empty folder. */
export async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-hub-'));
  try {
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** aid number n. */
export function aid(n: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

/** Envelope id number n. */
export function envelopeId(n: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, n);
  return bytes;
}

/** Registers agents 1 to count. */
export async function register(store: HubStore, count: number): Promise<void> {
  for (let n = 1; n <= count; n++) {
    await store.claim({
      name: `agent-${n}`,
      aid: aid(n),
      opening: null,
      mayRegister: true,
      nowMs: NOW,
      retiredMs: HOUR,
    });
  }
}

/** An envelope of agent 1 for agent 2, number n. */
export function envelope(n: number, more: Partial<NewEnvelope> = {}): NewEnvelope {
  return {
    id: envelopeId(n),
    from: aid(1),
    to: aid(2),
    tsMs: NOW,
    expiresMs: NOW + HOUR,
    rememberUntilMs: NOW + 2 * HOUR,
    blob: Uint8Array.from({ length: 256 }, (_, at) => (at + n) & 0xff),
    ...more,
  };
}

const quota: QueueQuota = {
  messages: 1_000_000,
  bytes: 1e12,
  senderMessages: 1_000_000,
  senderBytes: 1e12,
  retiredMs: HOUR,
};

/** A commit of nothing but what is given. */
function changes(more: Partial<QueueChanges>): QueueChanges {
  const nothing = { acknowledge: [], reschedule: [], deadLetter: [], append: [] };
  return { nowMs: NOW, quota, ...nothing, ...more };
}

export function commit(store: HubStore, more: Partial<QueueChanges>): Promise<CommitResult> {
  return store.commit(changes(more));
}

/** Appends one envelope. */
export async function append(store: HubStore, one: NewEnvelope): Promise<AppendOutcome> {
  const { appended } = await commit(store, { append: [one] });
  return appended[0]!;
}

/** Numbers of all envelopes waiting for an agent. */
export async function waiting(store: HubStore, n = 2): Promise<number[]> {
  const found: number[] = [];
  for (let after = 0; ;) {
    const page = await store.read({
      recipient: aid(n),
      after,
      messages: 500,
      bytes: 1e9,
      nowMs: NOW,
    });
    for (const entry of page.entries) {
      if (entry.due) found.push(new DataView(entry.id.buffer, entry.id.byteOffset).getUint32(12));
      after = entry.seq;
    }
    if (page.end) return found;
  }
}
