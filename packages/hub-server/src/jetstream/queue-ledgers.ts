/**
 * What this hub believes to lie in the queues it appends to: for quotas, and to find an envelope by
 * its id. Owns that belief. A ledger knows everything that this hub did and what a scan showed;
 * what other hubs did since is unknown, so what they added is looked for once a second and when an
 * agent comes from there, and nothing is called full before a fresh look says so.
 */
import { toBase64Url } from '@agentmesh/protocol';
import { hasQueueRoom } from '@agentmesh/hub-local';
import type { NewEnvelope, QueueQuota } from '@agentmesh/hub-local';
import { decodeNote, idKeyOf } from './envelope-note.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';

interface Held {
  readonly from: string;
  readonly idKey: string;
  readonly bytes: number;
}

interface Share {
  messages: number;
  bytes: number;
}

const FRESH_MS = 1_000;
const SCAN = 5_000;
const LEDGERS = 2_000;

/** One queue as this hub sees it. */
export class QueueLedger {
  readonly #held = new Map<number, Held>();
  readonly #seqs = new Map<string, number>();
  readonly #shares = new Map<string, Share>();
  readonly #total: Share = { messages: 0, bytes: 0 };
  /** Highest sequence that a scan has shown. */
  scannedTo = 0;
  /** When others' additions were looked for, and when everything was, in steady time. */
  checkedMs = Number.NEGATIVE_INFINITY;
  scannedMs = Number.NEGATIVE_INFINITY;

  get messages(): number {
    return this.#total.messages;
  }

  /** Whether it holds so little that nobody's share of it can be used up. */
  isNearlyEmpty({ senderMessages, senderBytes }: QueueQuota): boolean {
    const { messages, bytes } = this.#total;
    return 2 * messages <= senderMessages && 2 * bytes <= senderBytes;
  }

  /** What each sender holds, in no particular order. */
  get parts(): readonly (Readonly<Share> & { readonly from: string })[] {
    return [...this.#shares].map(([from, share]) => ({ from, ...share }));
  }

  add(seq: number, held: Held): void {
    if (this.#held.has(seq)) return;
    this.#held.set(seq, held);
    this.#seqs.set(held.idKey, seq);
    this.#count(held, 1);
  }

  remove(seq: number): void {
    const held = this.#held.get(seq);
    if (held === undefined) return;
    this.#held.delete(seq);
    this.#seqs.delete(held.idKey);
    this.#count(held, -1);
  }

  clear(): void {
    for (const seq of this.#held.keys()) this.remove(seq);
    this.scannedTo = 0;
  }

  /** Where an envelope lies; null if it is not here. */
  find(idKey: string): number | null {
    return this.#seqs.get(idKey) ?? null;
  }

  /** Whether there is room; if so it is taken until `release`. */
  reserve({ from, blob }: NewEnvelope, quota: QueueQuota): boolean {
    const share = this.#shareOf(toBase64Url(from));
    const { length } = blob;
    // Who has written to whom is not recorded here: nobody counts as a stranger.
    const isStranger = (): boolean => false;
    const fits = hasQueueRoom({ total: this.#total, share, quota, bytes: length, isStranger });
    if (fits) this.#count({ from: toBase64Url(from), bytes: length }, 1);
    return fits;
  }

  /** Gives reserved room back; what was stored is counted by `add`. */
  release({ from, blob }: NewEnvelope): void {
    this.#count({ from: toBase64Url(from), bytes: blob.length }, -1);
  }

  #count({ from, bytes }: Pick<Held, 'from' | 'bytes'>, sign: 1 | -1): void {
    const share = this.#shareOf(from);
    for (const sum of [share, this.#total]) {
      sum.messages += sign;
      sum.bytes += sign * bytes;
    }
    if (share.messages === 0) this.#shares.delete(from);
    else this.#shares.set(from, share);
  }

  #shareOf(from: string): Share {
    return this.#shares.get(from) ?? { messages: 0, bytes: 0 };
  }
}

/** The ledgers of the queues that this hub appended to lately. */
export class QueueLedgers {
  readonly #link: NatsLink;
  readonly #layout: Layout;
  readonly #monotonic: () => number;
  readonly #ledgers = new Map<string, QueueLedger>();

  constructor(link: NatsLink, layout: Layout, monotonic: () => number) {
    this.#link = link;
    this.#layout = layout;
    this.#monotonic = monotonic;
  }

  /** The ledger of a queue if this hub keeps one. */
  known(recipient: Uint8Array): QueueLedger | null {
    return this.#ledgers.get(toBase64Url(recipient)) ?? null;
  }

  /** The ledger of a queue, at most a second behind what others added. */
  async of(recipient: Uint8Array): Promise<QueueLedger> {
    const key = toBase64Url(recipient);
    const ledger = this.#ledgers.get(key) ?? new QueueLedger();
    this.#ledgers.delete(key);
    const nowMs = this.#monotonic();
    if (nowMs - ledger.checkedMs > FRESH_MS) {
      const count = await this.#count(recipient);
      if (count > ledger.messages) await this.#scan(recipient, ledger);
      if (count === 0 || ledger.scannedMs < 0) ledger.scannedMs = nowMs;
      ledger.checkedMs = nowMs;
    }
    this.#ledgers.set(key, ledger);
    this.#forgetOldest();
    return ledger;
  }

  /** Reads a whole queue anew, unless that was done within a second and nothing left it since. */
  async renew(recipient: Uint8Array): Promise<QueueLedger> {
    const ledger = await this.of(recipient);
    const isOld = this.#monotonic() - ledger.scannedMs > FRESH_MS;
    if (isOld || (await this.#count(recipient)) !== ledger.messages) {
      await this.#rescan(recipient, ledger);
    }
    return ledger;
  }

  /** An agent came from another hub, which may have stored for it a moment ago. */
  doubt(): void {
    for (const ledger of this.#ledgers.values()) ledger.checkedMs = Number.NEGATIVE_INFINITY;
  }

  /** Looks for an envelope in the queue itself; null if it is not there. */
  async locate(recipient: Uint8Array, idKey: string): Promise<number | null> {
    const ledger = await this.of(recipient);
    if (ledger.find(idKey) === null) await this.#scan(recipient, ledger);
    return ledger.find(idKey);
  }

  async #count(recipient: Uint8Array): Promise<number> {
    const stream = this.#layout.queueStream(this.#layout.shardOf(recipient));
    const subject = this.#layout.queueSubject(recipient);
    return (await this.#link.counts(stream, subject))[subject] ?? 0;
  }

  async #rescan(recipient: Uint8Array, ledger: QueueLedger): Promise<void> {
    const nowMs = this.#monotonic();
    ledger.clear();
    await this.#scan(recipient, ledger);
    ledger.scannedMs = nowMs;
  }

  async #scan(recipient: Uint8Array, ledger: QueueLedger): Promise<void> {
    const stream = this.#layout.queueStream(this.#layout.shardOf(recipient));
    const subject = this.#layout.queueSubject(recipient);
    for (;;) {
      const from = ledger.scannedTo + 1;
      const query = { stream, subject, from, max: SCAN, headersOnly: true };
      const entries = await this.#link.scan(query);
      for (const { seq, note, size } of entries) {
        const decoded = decodeNote(note);
        const idKey = toBase64Url(idKeyOf(decoded));
        ledger.add(seq, { from: toBase64Url(decoded.from), idKey, bytes: size });
        ledger.scannedTo = seq;
      }
      if (entries.length < SCAN) return;
    }
  }

  #forgetOldest(): void {
    for (const key of this.#ledgers.keys()) {
      if (this.#ledgers.size <= LEDGERS) return;
      this.#ledgers.delete(key);
    }
  }
}
