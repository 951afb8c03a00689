/**
 * Prekeys in NATS (`HubDirectoryStore`). One document per agent says which are held; the bytes of
 * one-time prekeys lie in a stream beside it and are read by sequence. A one-time prekey is taken
 * by the compare-and-set that strikes it from the document: of all hubs one succeeds.
 * Owns that document and the stream; whose record goes with them is `directory`.
 */
import { fromBase64Url, sha256, toBase64Url } from '@agentmesh/protocol';
import type {
  KeyInventory,
  PrekeyUpdate,
  PutPrekeysResult,
  StoredOneTimePrekey,
} from '@agentmesh/hub-local';
import * as z from 'zod';
import { documentOf } from './documents.js';
import type { DocumentKind, Documents } from './documents.js';
import { JetStreamStoreError } from './jetstream-error.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';

const keysShape = z.object({
  /** Newest first. */
  signed: z.array(z.object({ id: z.number(), createdMs: z.number(), bytes: z.base64url() })),
  /** By id, ascending. */
  oneTime: z.array(
    z.object({
      id: z.number(),
      expiresMs: z.number(),
      digest: z.base64url(),
      /** Where its bytes lie. */
      seq: z.number(),
    }),
  ),
});
type KeysDocument = z.output<typeof keysShape>;
type HeldOneTime = KeysDocument['oneTime'][number];

/** Agents whose prekeys are looked at in one sweep. */
const AGENTS_AT_ONCE = 20;
/** Between two walks over all agents. */
const WALK_MS = 86_400_000;

const NOTHING: KeysDocument = { signed: [], oneTime: [] };

/** See `HubDirectoryStore` for what each method promises. */
export class Prekeys {
  readonly #link: NatsLink;
  readonly #documents: Documents;
  readonly #layout: Layout;
  readonly #kind: DocumentKind<KeysDocument>;
  /** Sequences that this walk over all agents still has to look at; null between two. */
  #walk: { readonly from: number; readonly to: number } | null = null;
  #walkedMs = Number.NEGATIVE_INFINITY;

  constructor(link: NatsLink, documents: Documents, layout: Layout) {
    this.#link = link;
    this.#documents = documents;
    this.#layout = layout;
    this.#kind = { stream: layout.agents, shape: keysShape };
  }

  async put(update: PrekeyUpdate): Promise<PutPrekeysResult> {
    const uploaded = new Map<number, HeldOneTime>();
    let struck: readonly HeldOneTime[] = [];
    const subject = this.#layout.agentSubject('keys', update.aid);
    const result = await this.#documents.update<KeysDocument, PutPrekeysResult>(
      this.#kind,
      subject,
      async (stored) => {
        const held = stored ?? NOTHING;
        const base = update.replaceAll ? NOTHING : held;
        const signed = mergedSigned(base, update);
        const fresh = freshOneTime(base, update.oneTime);
        if (signed === null || fresh === null) return { value: null, result: conflict };
        if (base.oneTime.length + fresh.length > update.maxOneTime) {
          return { value: null, result: { status: 'limit' } };
        }
        // Kept over the attempts: what an attempt uploaded serves the next one.
        await Promise.all(fresh.map((key) => this.#upload(update.aid, key, uploaded)));
        const added = fresh.flatMap((key) => uploaded.get(key.id) ?? []);
        const oneTime = [...base.oneTime, ...added].toSorted((a, b) => a.id - b.id);
        struck = update.replaceAll ? held.oneTime : [];
        const next = { signed, oneTime };
        return { value: next, result: { status: 'ok', keys: inventoryOf(next) } };
      },
    );
    if (result.status === 'ok') await this.#forget(struck);
    return result;
  }

  async inventory(aid: Uint8Array): Promise<KeyInventory> {
    return inventoryOf((await this.#document(aid)) ?? NOTHING);
  }

  async newestSigned(aid: Uint8Array): Promise<Uint8Array | null> {
    return inventoryOf((await this.#document(aid)) ?? NOTHING).newestSigned;
  }

  /** Lowest id first; expired ones met on the way are removed. Null when none is left. */
  async takeOneTime(aid: Uint8Array, nowMs: number): Promise<Uint8Array | null> {
    for (;;) {
      const { struck, taken } = await this.#strike(aid, nowMs);
      const entry = taken === null ? null : await this.#link.at(this.#layout.prekeys, taken.seq);
      await this.#forget(struck);
      // Without its bytes (the operator removed them) it is of no use to anybody: the next one.
      if (taken === null || entry !== null) return entry?.data ?? null;
    }
  }

  /** Nobody may have any of this agent's. */
  async drop(aid: Uint8Array): Promise<void> {
    const stored = await this.#documents.get(this.#kind, this.#layout.agentSubject('keys', aid));
    if (stored === null || !(await this.#documents.drop(this.#kind, stored.revision))) return;
    await this.#forget(stored.value.oneTime);
  }

  /**
   * Removes one-time prekeys that have run out, also those of agents that never come back: walks
   * over the documents of all agents once in a while, a few at each call.
   */
  async expire(nowMs: number): Promise<void> {
    const { agents, allKeys } = this.#layout;
    if (this.#walk === null) {
      if (Math.abs(nowMs - this.#walkedMs) < WALK_MS) return;
      this.#walkedMs = nowMs;
      // Documents that change meanwhile move to the end: they are looked at by the next walk.
      this.#walk = { from: 1, to: (await this.#link.state(agents)).last_seq };
    }
    const { to } = this.#walk;
    for (let looks = 0; looks < AGENTS_AT_ONCE; looks++) {
      const entry = await this.#link.next(agents, allKeys, this.#walk.from);
      if (entry === null || entry.seq > to) {
        this.#walk = null;
        return;
      }
      this.#walk = { from: entry.seq + 1, to };
      const { oneTime } = documentOf(keysShape, entry.subject, entry.data);
      const isOver = oneTime.some(({ expiresMs }) => expiresMs <= nowMs);
      if (isOver) await this.#forget(await this.#strikeExpired(entry.subject, nowMs));
    }
  }

  #strikeExpired(subject: string, nowMs: number): Promise<readonly HeldOneTime[]> {
    return this.#documents.update(this.#kind, subject, (held) => {
      const struck = (held?.oneTime ?? []).filter(({ expiresMs }) => expiresMs <= nowMs);
      if (held === null || struck.length === 0) return { value: null, result: struck };
      const oneTime = held.oneTime.filter((key) => !struck.includes(key));
      return { value: { ...held, oneTime }, result: struck };
    });
  }

  #strike(
    aid: Uint8Array,
    nowMs: number,
  ): Promise<{ struck: readonly HeldOneTime[]; taken: HeldOneTime | null }> {
    const subject = this.#layout.agentSubject('keys', aid);
    return this.#documents.update(this.#kind, subject, (held) => {
      const all = held?.oneTime ?? [];
      const taken = all.find((key) => key.expiresMs > nowMs) ?? null;
      const struck = all.filter((key) => key === taken || key.expiresMs <= nowMs);
      if (held === null || struck.length === 0) return { value: null, result: { struck, taken } };
      const oneTime = all.filter((key) => !struck.includes(key));
      return { value: { ...held, oneTime }, result: { struck, taken } };
    });
  }

  async #document(aid: Uint8Array): Promise<KeysDocument | null> {
    const subject = this.#layout.agentSubject('keys', aid);
    return (await this.#documents.get(this.#kind, subject))?.value ?? null;
  }

  async #upload(
    aid: Uint8Array,
    { id, expiresMs, bytes }: StoredOneTimePrekey,
    uploaded: Map<number, HeldOneTime>,
  ): Promise<void> {
    if (uploaded.has(id)) return;
    const ack = await this.#link.publish(this.#layout.prekeySubject(aid), bytes);
    if (ack === null) throw new JetStreamStoreError('STORE_FAILED');
    uploaded.set(id, { id, expiresMs, digest: digestOf(bytes), seq: ack.seq });
  }

  /** Bytes that nothing refers to; a failure leaves them to the stream's own bounds. */
  async #forget(keys: readonly HeldOneTime[]): Promise<void> {
    await Promise.allSettled(keys.map((key) => this.#link.remove(this.#layout.prekeys, key.seq)));
  }
}

const conflict = { status: 'conflict' } as const;

function digestOf(bytes: Uint8Array): string {
  return toBase64Url(sha256(bytes));
}

/** Null if an id stands for two. */
function mergedSigned(
  { signed }: KeysDocument,
  update: PrekeyUpdate,
): KeysDocument['signed'] | null {
  const all = new Map<number, KeysDocument['signed'][number]>();
  const added = update.signed.map((key) => ({
    id: key.id,
    createdMs: key.createdMs,
    bytes: toBase64Url(key.bytes),
  }));
  for (const key of [...signed, ...added]) {
    const same = all.get(key.id);
    if (same !== undefined && same.bytes !== key.bytes) return null;
    all.set(key.id, key);
  }
  return [...all.values()]
    .toSorted((a, b) => b.createdMs - a.createdMs || b.id - a.id)
    .slice(0, update.keepSigned);
}

/** Those not held yet, each once; null if an id stands for two. */
function freshOneTime(
  { oneTime }: KeysDocument,
  added: readonly StoredOneTimePrekey[],
): StoredOneTimePrekey[] | null {
  const digests = new Map(oneTime.map((key) => [key.id, key.digest]));
  const fresh: StoredOneTimePrekey[] = [];
  for (const key of added) {
    const digest = digestOf(key.bytes);
    const same = digests.get(key.id);
    if (same !== undefined && same !== digest) return null;
    if (same === undefined) fresh.push(key);
    digests.set(key.id, digest);
  }
  return fresh;
}

function inventoryOf({ signed, oneTime }: KeysDocument): KeyInventory {
  const newest = signed[0];
  return {
    newestSigned: newest === undefined ? null : fromBase64Url(newest.bytes),
    oneTimeIds: oneTime.map((key) => key.id),
  };
}
