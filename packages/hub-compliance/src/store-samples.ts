/**
 * Values for tests of a store: short ways to write agents, envelopes and commits. Owns no test.
 * Stores verify nothing, so bytes need not be real keys.
 */
import type {
  AppendOutcome,
  CommitResult,
  DueEnvelope,
  HubStore,
  NameClaim,
  NewEnvelope,
  QueueChanges,
  QueuePage,
  QueueQuota,
} from '@agentmesh/hub-local';
import type { OpenStore, StoreUnderTest } from './hub-under-test.js';

export const DAY_MS = 86_400_000;
export const NOW_MS = 1_700_000_000_000;

/** 32 bytes that stand for an agent. */
export function aidOf(number: number): Uint8Array {
  return new Uint8Array(32).fill(number);
}

/** 16 bytes that stand for an envelope. */
function idOf(number: number): Uint8Array {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, number);
  return id;
}

/** Bytes of any length that differ with `number`. */
export function blobOf(number: number, length = 64): Uint8Array {
  return new Uint8Array(length).fill(number & 255);
}

export const quota: QueueQuota = {
  messages: 100,
  bytes: 1_000_000,
  senderMessages: 100,
  senderBytes: 1_000_000,
  retiredMs: 7 * DAY_MS,
};

/** Runs a test with an empty store and disposes of it. */
export async function withStore(
  open: OpenStore,
  test: (store: HubStore, under: StoreUnderTest) => Promise<void>,
): Promise<void> {
  const under = await open();
  try {
    await test(under.store, under);
  } finally {
    await under.dispose();
  }
}

export function claimOf(name: string, aid: Uint8Array, more: Partial<NameClaim> = {}): NameClaim {
  const retiredMs = quota.retiredMs;
  return { name, aid, opening: null, mayRegister: true, nowMs: NOW_MS, retiredMs, ...more };
}

/** Registers agents 1 to `count` as `agent-1` and so on. */
export async function register(store: HubStore, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) {
    await store.claim(claimOf(`agent-${number}`, aidOf(number)));
  }
}

/** The record that agent `number` publishes of itself unless said otherwise. */
export const identityOf = (number: number, revision: number, more = {}) => ({
  owner: aidOf(number),
  subject: aidOf(number),
  name: `agent-${number}`,
  revision,
  record: blobOf(revision, 300),
  nowMs: NOW_MS,
  ...more,
});

export const oneTimeOf = (id: number, expiresMs = NOW_MS + 1_000) => ({
  id,
  expiresMs,
  bytes: blobOf(id, 1337),
});
export const signedOf = (id: number, createdMs = NOW_MS) => ({
  id,
  createdMs,
  bytes: blobOf(id, 1337),
});

/** Prekeys that agent 1 publishes. */
export const keysOf = (more = {}) => ({
  aid: aidOf(1),
  signed: [signedOf(1)],
  oneTime: [oneTimeOf(1), oneTimeOf(2)],
  replaceAll: false,
  keepSigned: 2,
  maxOneTime: 100,
  ...more,
});

/** Agent 1 with record and prekeys. */
export async function publish(store: HubStore, more = {}): Promise<void> {
  await register(store, 1);
  await store.putIdentity(identityOf(1, 1));
  await store.putPrekeys(keysOf(more));
}

/** Any agent under any name, likewise. */
export async function publishAs(
  store: HubStore,
  name: string,
  number: number,
  more: Partial<NameClaim> = {},
): Promise<void> {
  await store.claim(claimOf(name, aidOf(number), more));
  await store.putIdentity(identityOf(number, 1, { name }));
  await store.putPrekeys(keysOf({ aid: aidOf(number) }));
}

/** An envelope from agent 1 to agent 2 unless said otherwise. */
export function envelopeOf(number: number, more: Partial<NewEnvelope> = {}): NewEnvelope {
  const expiresMs = more.expiresMs ?? NOW_MS + 7 * DAY_MS;
  return {
    id: idOf(number),
    from: aidOf(1),
    to: aidOf(2),
    tsMs: NOW_MS,
    blob: blobOf(number),
    expiresMs,
    rememberUntilMs: expiresMs + DAY_MS,
    ...more,
  };
}

export function commit(store: HubStore, changes: Partial<QueueChanges>): Promise<CommitResult> {
  const nothing = { acknowledge: [], reschedule: [], deadLetter: [], append: [] };
  return store.commit({ nowMs: NOW_MS, quota, ...nothing, ...changes });
}

export async function append(
  store: HubStore,
  envelopes: readonly NewEnvelope[],
  changes: Partial<QueueChanges> = {},
): Promise<readonly AppendOutcome[]> {
  return (await commit(store, { ...changes, append: envelopes })).appended;
}

/** Appends one and gives its outcome's status. */
export async function statusOf(
  store: HubStore,
  envelope: NewEnvelope,
  changes: Partial<QueueChanges> = {},
): Promise<string | undefined> {
  const [outcome] = await append(store, [envelope], changes);
  return outcome?.status;
}

export function read(
  store: HubStore,
  more: Partial<Parameters<HubStore['read']>[0]> = {},
): Promise<QueuePage> {
  const query = { recipient: aidOf(2), after: 0, messages: 100, bytes: 1_000_000, nowMs: NOW_MS };
  return store.read({ ...query, ...more });
}

/** The due entries of a page. */
export function dueOf(page: QueuePage): DueEnvelope[] {
  return page.entries.filter((entry) => entry.due);
}

export function seqsOf(page: QueuePage): number[] {
  return page.entries.map((entry) => entry.seq);
}
