/**
 * Envelopes waiting for recipients and notices waiting for senders, in memory: the queue half of
 * `MemoryHubStore`. Owns quotas, deduplication and expiry; every method is synchronous and
 * therefore atomic. Who may receive is asked of the directory.
 */
import { sha256 } from '@agentmesh/protocol';
import { byteKey } from './byte-key.js';
import { ExpiryAgenda } from './expiry-agenda.js';
import { RefusedBefore } from './send-order.js';
import type { RecipientRefusal } from './memory-directory.js';
import { waitingAfter } from './queue-order.js';
import { hasQueueRoom } from './queue-share.js';
import type {
  AppendOutcome,
  CommitResult,
  ExpireRequest,
  ExpireResult,
  FetchQuery,
  NewEnvelope,
  NoticeQuery,
  OutlinedEnvelope,
  OutlineQuery,
  QueueChanges,
  QueueEntry,
  QueueOutline,
  QueuePage,
  QueueQuery,
  QueueReschedule,
  StoredNotice,
} from './hub-store.js';

/** Why nothing is taken for a recipient; null if something is. */
type RecipientJudge = (key: string, nowMs: number, retiredMs: number) => RecipientRefusal | null;

interface Waiting extends NewEnvelope {
  readonly seq: number;
  /** Key of (from, id), and of the sender alone. */
  readonly key: string;
  readonly fromKey: string;
  attempt: number;
  notBeforeMs: number;
}

interface Share {
  messages: number;
  bytes: number;
}

interface Queue {
  /** Insertion order is the order of `seq`. */
  readonly waiting: Map<number, Waiting>;
  readonly total: Share;
  readonly shares: Map<string, Share>;
  lastSeq: number;
}

/** What an id was first used for. */
interface Remembered {
  readonly to: string;
  readonly seq: number;
  /** Of recipient and blob: the blob itself may be gone by now. */
  readonly digest: string;
  readonly rememberUntilMs: number;
}

interface NoticeBoard {
  readonly notices: (StoredNotice & { readonly writtenMs: number })[];
  lastSeq: number;
}

/** The synchronous queues; see `HubQueueStore` for what each method promises. */
export class MemoryQueues {
  readonly #refusalOf: RecipientJudge;
  readonly #maxSettled: number;
  readonly #queues = new Map<string, Queue>();
  readonly #remembered = new Map<string, Remembered>();
  /** Keys of remembered envelopes that left their queue, oldest first. */
  readonly #settled = new Set<string>();
  readonly #boards = new Map<string, NoticeBoard>();
  /** First the envelope's own end, then the end of remembering its id: one entry per id. */
  readonly #agenda = new ExpiryAgenda();
  readonly #total: Share = { messages: 0, bytes: 0 };
  /** To whom each agent has written: those are no strangers to it. */
  readonly #wrote = new Map<string, Set<string>>();
  #deadLettered = 0;

  constructor(options: { readonly refusalOf: RecipientJudge; readonly maxSettled: number }) {
    this.#refusalOf = options.refusalOf;
    this.#maxSettled = options.maxSettled;
  }

  get counts(): { envelopes: number; bytes: number; deadLettered: number } {
    const { messages, bytes } = this.#total;
    return { envelopes: messages, bytes, deadLettered: this.#deadLettered };
  }

  commit(changes: QueueChanges): CommitResult {
    for (const { recipient, seqs } of changes.acknowledge) {
      const queue = this.#queues.get(byteKey(recipient));
      for (const seq of seqs) this.#remove(queue, seq);
    }
    for (const change of changes.reschedule) this.#reschedule(change);
    const notified = new Map<string, Uint8Array>();
    for (const { recipient, seq } of changes.deadLetter) {
      const envelope = this.#remove(this.#queues.get(byteKey(recipient)), seq);
      if (envelope === null) continue;
      this.#deadLettered += 1;
      this.#notify(envelope, 'dead_lettered', changes.nowMs, notified);
    }
    const refused = new RefusedBefore();
    const appended = changes.append.map((envelope) =>
      refused.note(envelope, refused.outcomeOf(envelope) ?? this.#append(envelope, changes)),
    );
    return { appended, notified: [...notified.values()] };
  }

  read({ recipient, after, messages, bytes, nowMs }: QueueQuery): QueuePage {
    const entries: QueueEntry[] = [];
    let size = 0;
    for (const envelope of this.#waitingFor(recipient, after)) {
      if (envelope.expiresMs <= nowMs) continue;
      const entry = entryOf(envelope, nowMs);
      if (entry.due) size += entry.blob.length;
      if (entries.length > 0 && (entries.length >= messages || size > bytes)) {
        return { entries, end: false };
      }
      entries.push(entry);
    }
    return { entries, end: true };
  }

  outline({ recipient, after, messages, nowMs }: OutlineQuery): QueueOutline {
    const entries: OutlinedEnvelope[] = [];
    for (const { seq, from, blob, expiresMs } of this.#waitingFor(recipient, after)) {
      if (expiresMs <= nowMs) continue;
      if (entries.length >= messages) return { entries, end: false };
      entries.push({ seq, from, bytes: blob.length });
    }
    return { entries, end: true };
  }

  fetch({ recipient, seqs, nowMs }: FetchQuery): readonly QueueEntry[] {
    const waiting = this.#queues.get(byteKey(recipient))?.waiting;
    return seqs
      .toSorted((a, b) => a - b)
      .flatMap((seq) => waiting?.get(seq) ?? [])
      .filter(({ expiresMs }) => expiresMs > nowMs)
      .map((envelope) => entryOf(envelope, nowMs));
  }

  queued(recipient: Uint8Array): number {
    return this.#queues.get(byteKey(recipient))?.waiting.size ?? 0;
  }

  expire({ nowMs, max, keepNoticesMs }: ExpireRequest): Omit<ExpireResult, 'forgotten'> {
    const notified = new Map<string, Uint8Array>();
    for (let done = 0; done < max; done++) {
      const id = this.#agenda.take(nowMs);
      if (id === null) break;
      this.#expireOne(id, nowMs, notified);
    }
    for (const board of this.#boards.values()) {
      const kept = board.notices.findIndex((n) => n.writtenMs + keepNoticesMs > nowMs);
      dropFirst(board, kept < 0 ? board.notices.length : kept);
    }
    return { notified: [...notified.values()], more: this.#agenda.isDue(nowMs) };
  }

  notices({ sender, after, max }: NoticeQuery): readonly StoredNotice[] {
    const notices = this.#boards.get(byteKey(sender))?.notices ?? [];
    const first = notices.findIndex((notice) => notice.seq > after);
    return first < 0 ? [] : notices.slice(first, first + max);
  }

  dropNotices(sender: Uint8Array, upTo: number): void {
    const board = this.#boards.get(byteKey(sender));
    if (board === undefined) return;
    const kept = board.notices.findIndex((notice) => notice.seq > upTo);
    dropFirst(board, kept < 0 ? board.notices.length : kept);
  }

  #append(envelope: NewEnvelope, { nowMs, quota }: QueueChanges): AppendOutcome {
    const fromKey = byteKey(envelope.from);
    const toKey = byteKey(envelope.to);
    const key = fromKey + byteKey(envelope.id);
    const digest = byteKey(sha256(envelope.to, envelope.blob));
    const earlier = this.#remembered.get(key);
    if (earlier !== undefined && earlier.rememberUntilMs > nowMs) {
      if (earlier.digest !== digest) return { status: 'conflict' };
      return { status: 'duplicate', seq: earlier.seq };
    }
    const refusal = this.#refusalOf(toKey, nowMs, quota.retiredMs);
    if (refusal !== null) return { status: refusal };
    const queue = this.#queueOf(toKey);
    const share = queue.shares.get(fromKey) ?? { messages: 0, bytes: 0 };
    const bytes = envelope.blob.length;
    const isStranger = (): boolean => this.#wrote.get(toKey)?.has(fromKey) !== true;
    if (!hasQueueRoom({ total: queue.total, share, quota, bytes, isStranger })) {
      return { status: 'queue_full' };
    }
    const follows = queue.lastSeq;
    const seq = follows + 1;
    queue.lastSeq = seq;
    queue.shares.set(fromKey, share);
    queue.waiting.set(seq, { ...envelope, key, fromKey, seq, attempt: 1, notBeforeMs: 0 });
    for (const sum of [share, queue.total, this.#total]) add(sum, 1, bytes);
    this.#wrote.set(fromKey, (this.#wrote.get(fromKey) ?? new Set()).add(toKey));
    const { expiresMs, rememberUntilMs } = envelope;
    this.#remembered.set(key, { to: toKey, seq, digest, rememberUntilMs });
    this.#settled.delete(key);
    this.#agenda.set(key, expiresMs);
    return { status: 'stored', seq, follows };
  }

  #expireOne(id: string, nowMs: number, notified: Map<string, Uint8Array>): void {
    const entry = this.#remembered.get(id);
    if (entry === undefined) return;
    const envelope = this.#remove(this.#queues.get(entry.to), entry.seq);
    if (envelope !== null) this.#notify(envelope, 'expired', nowMs, notified);
    if (entry.rememberUntilMs > nowMs) this.#agenda.set(id, entry.rememberUntilMs);
    else this.#forget(id);
  }

  #forgetOldest(): void {
    for (const key of this.#settled) {
      this.#forget(key);
      return;
    }
  }

  #forget(key: string): void {
    this.#remembered.delete(key);
    this.#settled.delete(key);
    this.#agenda.delete(key);
  }

  #remove(queue: Queue | undefined, seq: number): Waiting | null {
    const envelope = queue?.waiting.get(seq);
    if (queue === undefined || envelope === undefined) return null;
    queue.waiting.delete(seq);
    const share = queue.shares.get(envelope.fromKey);
    for (const sum of [queue.total, this.#total]) add(sum, -1, -envelope.blob.length);
    if (share !== undefined) add(share, -1, -envelope.blob.length);
    if (share?.messages === 0) queue.shares.delete(envelope.fromKey);
    this.#settled.add(envelope.key);
    if (this.#settled.size > this.#maxSettled) this.#forgetOldest();
    return envelope;
  }

  #reschedule({ recipient, seq, attempt, notBeforeMs }: QueueReschedule): void {
    const envelope = this.#queues.get(byteKey(recipient))?.waiting.get(seq);
    if (envelope === undefined) return;
    envelope.attempt = attempt;
    envelope.notBeforeMs = notBeforeMs;
  }

  #notify(
    { id, from, fromKey }: Waiting,
    what: StoredNotice['what'],
    writtenMs: number,
    notified: Map<string, Uint8Array>,
  ): void {
    const board = this.#boards.get(fromKey) ?? { notices: [], lastSeq: 0 };
    this.#boards.set(fromKey, board);
    board.lastSeq += 1;
    board.notices.push({ seq: board.lastSeq, id, what, writtenMs });
    notified.set(fromKey, from);
  }

  #waitingFor(recipient: Uint8Array, after: number): Iterable<Waiting> {
    const queue = this.#queues.get(byteKey(recipient));
    if (queue === undefined) return [];
    return waitingAfter(queue.waiting, { after, lastSeq: queue.lastSeq });
  }

  #queueOf(key: string): Queue {
    const known = this.#queues.get(key);
    if (known !== undefined) return known;
    const queue: Queue = {
      waiting: new Map(),
      total: { messages: 0, bytes: 0 },
      shares: new Map(),
      lastSeq: 0,
    };
    this.#queues.set(key, queue);
    return queue;
  }
}

function entryOf(envelope: Waiting, nowMs: number): QueueEntry {
  const { seq, attempt, id, from, tsMs, expiresMs, blob, notBeforeMs } = envelope;
  if (notBeforeMs > nowMs) return { due: false, seq, notBeforeMs };
  return { due: true, seq, attempt, id, from, tsMs, expiresMs, blob };
}

function add(share: Share, messages: number, bytes: number): void {
  share.messages += messages;
  share.bytes += bytes;
}

function dropFirst(board: NoticeBoard, count: number): void {
  if (count > 0) board.notices.splice(0, count);
}
