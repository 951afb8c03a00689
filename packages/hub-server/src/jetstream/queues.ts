/**
 * Queues in NATS (`HubQueueStore`): the order of what one commit changes, and reading. Owns both;
 * judging and writing envelopes is `appender`, their leaving `stored-envelopes`, time `sweeper`.
 */
import { toBase64Url } from '@agentmesh/protocol';
import type {
  CommitResult,
  FetchQuery,
  OutlineQuery,
  QueueChanges,
  QueueEntry,
  QueueOutline,
  QueuePage,
  QueueQuery,
  QueueReference,
  QueueReschedule,
} from '@agentmesh/hub-local';
import type { Appender } from './appender.js';
import { decodeNote } from './envelope-note.js';
import type { Attempts, QueueAttempts } from './attempts.js';
import { KeyedTasks } from './keyed-tasks.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';
import type { Notices } from './notices.js';
import type { QueueLedgers } from './queue-ledgers.js';
import { storedEnvelopeOf } from './stored-envelopes.js';
import type { StoredEnvelope, StoredEnvelopes } from './stored-envelopes.js';
import type { StreamEntry } from './stream-entry.js';

/** What the queues are made of. */
export interface QueueParts {
  readonly link: NatsLink;
  readonly layout: Layout;
  readonly appender: Appender;
  readonly envelopes: StoredEnvelopes;
  readonly ledgers: QueueLedgers;
  readonly attempts: Attempts;
  readonly notices: Notices;
  /** Adds to the dead letters since the store exists. */
  readonly countDead: (count: number) => Promise<void>;
}

/** Entries that are read one by one before a reader is made for the rest of a page. */
const SINGLE_READS = 3;

/** See `HubQueueStore` for what each method promises. */
export class Queues {
  readonly #parts: QueueParts;
  readonly #tasks = new KeyedTasks();

  constructor(parts: QueueParts) {
    this.#parts = parts;
  }

  /** One after the other: what was called first is stored first. */
  commit(changes: QueueChanges): Promise<CommitResult> {
    return this.#tasks.run('', async () => {
      const { appender } = this.#parts;
      const append = () => appender.append(changes.append, changes);
      if (!this.#needsRoom(changes)) {
        const [notified, appended] = await Promise.all([this.#change(changes), append()]);
        return { appended, notified };
      }
      const notified = await this.#change(changes);
      return { appended: await append(), notified };
    });
  }

  async read(query: QueueQuery): Promise<QueuePage> {
    const { link, attempts } = this.#parts;
    const { recipient, after } = query;
    const [stream, subject] = this.#placeOf(recipient);
    const [tried, first] = await Promise.all([
      attempts.of(recipient),
      link.next(stream, subject, after + 1),
    ]);
    const page = new Page(query, tried, (envelope) => this.#parts.envelopes.remember(envelope));
    let entry = first;
    for (let reads = 1; entry !== null; reads++) {
      if (!page.take(entry)) return { entries: page.entries, end: false };
      let from = entry.seq + 1;
      const max = reads > SINGLE_READS ? page.room : 0;
      if (max > 1) {
        for (const more of await link.scan({ stream, subject, from, max, headersOnly: false })) {
          if (!page.take(more)) return { entries: page.entries, end: false };
          from = more.seq + 1;
        }
      }
      entry = await link.next(stream, subject, from);
    }
    return { entries: page.entries, end: true };
  }

  async outline({ recipient, after, messages, nowMs }: OutlineQuery): Promise<QueueOutline> {
    const { link } = this.#parts;
    const [stream, subject] = this.#placeOf(recipient);
    for (let last = after; ;) {
      const query = { stream, subject, from: last + 1, max: messages, headersOnly: true };
      const scanned = await link.scan(query);
      // A reader may lie on a replica that lags; this is asked of the leader.
      const next = await link.next(stream, subject, (scanned.at(-1)?.seq ?? last) + 1);
      const found = scanned.length === 0 && next !== null ? [next] : scanned;
      const entries = found.flatMap(({ seq, note, size: bytes }) => {
        const { from, expiresMs } = decodeNote(note);
        return expiresMs > nowMs ? { seq, from, bytes } : [];
      });
      if (entries.length > 0 || next === null) return { entries, end: next === null };
      last = found.at(-1)?.seq ?? last;
    }
  }

  /** Neighbours are read together, the others one by one. */
  async fetch({ recipient, seqs, nowMs }: FetchQuery): Promise<readonly QueueEntry[]> {
    const { link, attempts } = this.#parts;
    const [stream, subject] = this.#placeOf(recipient);
    const tried = await attempts.of(recipient);
    const missing = new Set(seqs.toSorted((a, b) => a - b));
    const found: StreamEntry[] = [];
    const take = (entry: StreamEntry): void => {
      if (entry.subject === subject && missing.delete(entry.seq)) found.push(entry);
    };
    for (let isDense = true; isDense && missing.size > SINGLE_READS;) {
      const [from = 0] = missing;
      const max = missing.size;
      for (const entry of await link.scan({ stream, subject, from, max, headersOnly: false })) {
        take(entry);
      }
      isDense = 2 * missing.size <= max;
    }
    for (const entry of await Promise.all([...missing].map((seq) => link.at(stream, seq)))) {
      if (entry !== null) take(entry);
    }
    const query = { recipient, after: 0, messages: Infinity, bytes: Infinity, nowMs };
    const page = new Page(query, tried, (envelope) => this.#parts.envelopes.remember(envelope));
    for (const entry of found.toSorted((a, b) => a.seq - b.seq)) page.take(entry);
    return page.entries;
  }

  async queued(recipient: Uint8Array): Promise<number> {
    const [stream, subject] = this.#placeOf(recipient);
    return (await this.#parts.link.counts(stream, subject))[subject] ?? 0;
  }

  /** Stream and subject of a queue. */
  #placeOf(recipient: Uint8Array): [string, string] {
    const { layout } = this.#parts;
    return [layout.queueStream(layout.shardOf(recipient)), layout.queueSubject(recipient)];
  }

  /** Acknowledgements, reschedules and dead letters; senders who got a notice. */
  async #change(changes: QueueChanges): Promise<readonly Uint8Array[]> {
    const { envelopes } = this.#parts;
    const acknowledged = changes.acknowledge.flatMap(({ recipient, seqs }) =>
      seqs.map((seq) => ({ recipient, seq })),
    );
    await envelopes.remove(await this.#find(acknowledged));
    await this.#reschedule(changes.reschedule);
    const dead = await this.#find(changes.deadLetter);
    const { senders, removed } = await this.removeWithNotices(dead, 'dead_lettered', changes.nowMs);
    if (removed > 0) await this.#parts.countDead(removed);
    return senders;
  }

  /** Whether something leaves a queue into which something else is to go, and may find no room. */
  #needsRoom({ acknowledge, deadLetter, append, quota }: QueueChanges): boolean {
    const emptied = new Set(
      [...acknowledge, ...deadLetter].map((one) => toBase64Url(one.recipient)),
    );
    const isRoomy = (to: Uint8Array): boolean =>
      this.#parts.ledgers.known(to)?.isNearlyEmpty(quota) === true;
    return append.some(({ to }) => emptied.has(toBase64Url(to)) && !isRoomy(to));
  }

  /** The notice first: a hub that dies between the two tells the sender twice, not never. */
  async removeWithNotices(
    gone: readonly StoredEnvelope[],
    what: 'expired' | 'dead_lettered',
    nowMs: number,
  ): Promise<{ senders: readonly Uint8Array[]; removed: number }> {
    const { notices, envelopes } = this.#parts;
    await Promise.all(gone.map((envelope) => notices.write(envelope, what, nowMs)));
    const removed = await envelopes.remove(gone);
    const senders = new Map(removed.map(({ note }) => [toBase64Url(note.from), note.from]));
    return { senders: [...senders.values()], removed: removed.length };
  }

  async #find(references: readonly QueueReference[]): Promise<readonly StoredEnvelope[]> {
    const found = await Promise.all(references.map((one) => this.#parts.envelopes.find(one)));
    return found.filter((envelope) => envelope !== null);
  }

  async #reschedule(changes: readonly QueueReschedule[]): Promise<void> {
    const { link, attempts } = this.#parts;
    const present = new Set(
      (await this.#find(changes)).map(({ recipient, seq }) => keyOf(recipient, seq)),
    );
    const byRecipient = new Map<string, QueueReschedule[]>();
    for (const change of changes) {
      if (!present.has(keyOf(change.recipient, change.seq))) continue;
      const key = toBase64Url(change.recipient);
      byRecipient.set(key, [...(byRecipient.get(key) ?? []), change]);
    }
    await Promise.all(
      [...byRecipient.values()].map(async (own) => {
        const [{ recipient } = { recipient: new Uint8Array() }] = own;
        const first = await link.next(...this.#placeOf(recipient), 1);
        await attempts.reschedule(recipient, own, first?.seq ?? 0);
      }),
    );
  }
}

/** A page while it is filled. */
class Page {
  readonly entries: QueueEntry[] = [];
  readonly #query: QueueQuery;
  readonly #attempts: QueueAttempts;
  readonly #onDue: (envelope: StoredEnvelope) => void;
  #bytes = 0;

  constructor(
    query: QueueQuery,
    attempts: QueueAttempts,
    onDue: (envelope: StoredEnvelope) => void,
  ) {
    this.#query = query;
    this.#attempts = attempts;
    this.#onDue = onDue;
  }

  /** How many more entries like those before may fit. */
  get room(): number {
    const { messages, bytes } = this.#query;
    const usual = Math.max(1, this.#bytes / Math.max(1, this.entries.length));
    const left = Math.max(0, bytes - this.#bytes);
    return Math.min(messages - this.entries.length, Math.floor(left / usual) + 1);
  }

  /** False if it does not fit any more; an expired one is passed over. */
  take(entry: StreamEntry): boolean {
    const { messages, bytes, nowMs } = this.#query;
    const envelope = storedEnvelopeOf(entry);
    const { id, from, tsMs, expiresMs } = envelope.note;
    if (expiresMs <= nowMs) return true;
    const { seq, data: blob } = entry;
    const { attempt, notBeforeMs } = this.#attempts.of(seq);
    const due = notBeforeMs <= nowMs;
    const size = this.#bytes + (due ? blob.length : 0);
    if (this.entries.length > 0 && (this.entries.length >= messages || size > bytes)) return false;
    this.#bytes = size;
    if (due) {
      this.#onDue(envelope);
      this.entries.push({ due, seq, attempt, id, from, tsMs, expiresMs, blob });
    } else {
      this.entries.push({ due, seq, notBeforeMs });
    }
    return true;
  }
}

function keyOf(recipient: Uint8Array, seq: number): string {
  return `${seq}.${toBase64Url(recipient)}`;
}
