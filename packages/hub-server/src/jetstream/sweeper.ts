/**
 * What time removes: envelopes whose time is over, and notices that need not be kept. One hub of a
 * cluster does it, the one that holds the lease. Owns the lease and the search.
 *
 * Envelopes are found by a list of what is due, made from their notes as they come; the list is
 * made anew when most of what it names is gone, so it stays as small as the backlog.
 */
import type { ExpireRequest, ExpireResult } from '@agentmesh/hub-local';
import { toBase64Url } from '@agentmesh/protocol';
import * as z from 'zod';
import type { DocumentKind, Documents } from './documents.js';
import { DueList } from './due-list.js';
import { decodeNote } from './envelope-note.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';
import type { Notices } from './notices.js';
import type { Queues } from './queues.js';
import { StreamFeed } from './stream-feed.js';
import { storedEnvelopeOf } from './stored-envelopes.js';

const leaseShape = z.object({ owner: z.string(), untilMs: z.number() });
type Lease = z.output<typeof leaseShape>;

/** What a sweep has removed. */
type Swept = Omit<ExpireResult, 'forgotten'>;

/** What the sweeper works with. */
export interface SweeperParts {
  readonly link: NatsLink;
  readonly layout: Layout;
  readonly documents: Documents;
  readonly queues: Queues;
  readonly notices: Notices;
  /** Names this hub among all. */
  readonly owner: string;
}

const LEASE_MS = 10_000;
const PULL = 5_000;
const SLACK = 10_000;

interface QueueShard {
  readonly stream: string;
  readonly feed: StreamFeed;
  readonly due: DueList;
}

/** One per store. */
export class Sweeper {
  readonly #parts: SweeperParts;
  readonly #lease: DocumentKind<Lease>;
  readonly #queues: readonly QueueShard[];
  #heldUntilMs = 0;

  constructor(parts: SweeperParts) {
    const { link, layout } = parts;
    const shards = Array.from({ length: layout.shards }, (_, shard) => shard);
    this.#parts = parts;
    this.#lease = { stream: layout.meta, shape: leaseShape };
    this.#queues = shards.map((shard) => {
      const stream = layout.queueStream(shard);
      const query = { stream, subject: layout.queueSubjects(shard), headersOnly: true };
      return { stream, feed: new StreamFeed(link, query), due: new DueList() };
    });
  }

  /** Whether this hub holds the lease. */
  get isSweeping(): boolean {
    return this.#heldUntilMs > 0;
  }

  /** A hub without the lease does nothing. */
  async expire({ nowMs, max, keepNoticesMs }: ExpireRequest): Promise<Swept> {
    if (!(await this.#hold(nowMs))) return { notified: [], more: false };
    const notified = new Map<string, Uint8Array>();
    let left = max;
    let more = false;
    for (const shard of this.#queues) {
      const isBehind = await this.#follow(shard);
      const seqs = shard.due.take(nowMs, left);
      left -= seqs.length;
      for (const sender of await this.#removeEnvelopes(shard, seqs, nowMs)) {
        notified.set(toBase64Url(sender), sender);
      }
      more ||= isBehind || shard.due.isDue(nowMs);
    }
    const old = await this.#parts.notices.forget(nowMs - keepNoticesMs, max);
    return { notified: [...notified.values()], more: more || old };
  }

  /** Lets another hub take over at once. */
  async release(): Promise<void> {
    if (this.#heldUntilMs === 0) return;
    const { documents, layout, owner } = this.#parts;
    this.#heldUntilMs = 0;
    await documents.update(this.#lease, layout.metaSubject('sweeper'), (lease) => ({
      value: lease?.owner === owner ? { owner, untilMs: 0 } : null,
      result: null,
    }));
  }

  async #hold(nowMs: number): Promise<boolean> {
    const left = this.#heldUntilMs - nowMs;
    if (left > LEASE_MS / 2 && left <= LEASE_MS) return true;
    const { documents, layout, owner } = this.#parts;
    const untilMs = nowMs + LEASE_MS;
    const held = await documents.update(this.#lease, layout.metaSubject('sweeper'), (lease) => {
      // A lease that ends too late comes from a clock that was set back since.
      const isTaken =
        lease !== null &&
        lease.owner !== owner &&
        lease.untilMs > nowMs &&
        lease.untilMs <= nowMs + LEASE_MS;
      return { value: isTaken ? null : { owner, untilMs }, result: !isTaken };
    });
    this.#heldUntilMs = held ? untilMs : 0;
    return held;
  }

  /** Lists what is new; whether there is more of it. */
  async #follow({ stream, feed, due }: QueueShard): Promise<boolean> {
    const { link } = this.#parts;
    if (due.size > SLACK) {
      const { messages } = await link.state(stream);
      if (due.size > 2 * messages + SLACK) {
        due.clear();
        feed.restart();
      }
    }
    const entries = await feed.pull(PULL);
    for (const { seq, note } of entries) due.add({ atMs: decodeNote(note).expiresMs, seq });
    return entries.length >= PULL;
  }

  async #removeEnvelopes(
    { stream, due }: QueueShard,
    seqs: readonly number[],
    nowMs: number,
  ): Promise<readonly Uint8Array[]> {
    const { link, queues } = this.#parts;
    try {
      const entries = await Promise.all(seqs.map((seq) => link.at(stream, seq)));
      const gone = entries.filter((entry) => entry !== null).map(storedEnvelopeOf);
      const { senders } = await queues.removeWithNotices(gone, 'expired', nowMs);
      return senders;
    } catch (thrown) {
      for (const seq of seqs) due.add({ atMs: nowMs, seq });
      throw thrown;
    }
  }
}
