/**
 * Deliveries on their way to the receiver: what comes from one sender while its earlier messages
 * are being taken waits together and is taken together. Owns these groups and their order, and
 * which envelopes were taken last; does not judge anything.
 */
import { concatBytes, equalBytes, toHex } from '@agentmesh/crypto';
import type { Delivery, Envelope } from '@agentmesh/protocol';
import type { DeliveryLine } from '../hub/identity-connection.js';
import type { HeldBack } from './contacts.js';
import type { InboxRow } from '../message/inbox.js';
import type { KeyedMutex } from '../ground/keyed-mutex.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { isSameStore, storeOf } from '../self/meta.js';
import type { Meta } from '../self/meta.js';
import { lineOf } from '../conversation/run.js';
import { highestBefore } from '../conversation/sequence-window.js';
import type { Position, Said } from '../handling/handling-order.js';
import type { Received } from '../conversation/judge.js';
import { ROW } from '../store/row-keys.js';
import type { AgentStore, StoreOperation } from '../store/store.js';
import type { StoreTransaction } from '../store/store-transaction.js';

/** A delivery, and the connection it came on: that is where it is answered. */
export interface Arrival {
  readonly delivery: Delivery;
  readonly line: DeliveryLine;
}

/** An authentic message; `key` is that of its inbox row, null for what no application sees. */
export interface Accepted {
  readonly arrival: Arrival;
  readonly received: Received;
  readonly row: InboxRow;
  readonly key: string | null;
  /** Null unless its sender may not reach the handlers. */
  readonly held: HeldBack | null;
  /** The message of a former conversation that it holds, if it does. */
  readonly earlier: Earlier | null;
}

/** A message that was said before in a conversation of former identities. */
export interface Earlier extends Pick<Accepted, 'received' | 'row' | 'key' | 'held'> {
  /** Nothing is known of that conversation here: handlers may have had it. */
  readonly isPerhapsRepeated: boolean;
}

/** Messages of one sender that share a commit. */
export class Batch {
  readonly tx: StoreTransaction;
  readonly accepted: Accepted[] = [];
  /** Former identities of its sender that are being met. */
  readonly met: Uint8Array[] = [];
  /** By aid in hex: locks of former identities of its sender, until it is committed. */
  readonly #locks = new Map<string, () => void>();

  constructor(tx: StoreTransaction) {
    this.tx = tx;
  }

  /** Nobody else takes anything of this identity until the batch is committed. */
  async lock(peers: KeyedMutex, aid: Uint8Array): Promise<void> {
    const key = toHex(aid);
    if (!this.#locks.has(key)) this.#locks.set(key, await peers.lock(key));
  }

  release(): void {
    for (const release of this.#locks.values()) release();
    this.#locks.clear();
  }
}

/** One per agent. */
export class Arrivals {
  readonly #peers: KeyedMutex;
  readonly #take: (group: readonly Arrival[]) => Promise<void>;
  /** By aid in hex: the group that still grows. */
  readonly #open = new Map<string, Arrival[]>();

  /** `take` runs under the sender's lock. */
  constructor(peers: KeyedMutex, take: (group: readonly Arrival[]) => Promise<void>) {
    this.#peers = peers;
    this.#take = take;
  }

  /** The lock is asked for at once, so that one sender's messages keep their order. */
  add(arrival: Arrival): void {
    const key = toHex(arrival.delivery.envelope.from);
    const open = this.#open.get(key);
    if (open !== undefined && open.length < AGENT_LIMITS.commitMessages) {
      open.push(arrival);
      return;
    }
    const group = [arrival];
    this.#open.set(key, group);
    void this.#peers.run(key, () => {
      if (this.#open.get(key) === group) this.#open.delete(key);
      return this.#take(group);
    });
  }
}

/** What of a received message waits for the handlers. */
export function inboxRowOf(
  { peer, trust, contentBytes, proof: shown }: Received,
  receivedMs: number,
): InboxRow {
  const { identity, pinnedMs, verifiedBy } = peer;
  const { aid: from, signing, dh } = identity;
  const standing = { trust, pinnedMs, verifiedBy };
  const proof = { signing, dh, ...shown };
  return { from, ...standing, receivedMs, attempts: 0, content: contentBytes, proof };
}

/**
 * Messages of one store of one peer to one identity of ours are handled in the order of their
 * numbers.
 */
export function sourceOf({ peer, content, epoch }: Received): string {
  return [toHex(peer.identity.aid), storeOf(content.instance), epoch].join('/');
}

/** Where a message stands among those of its sender; `meta` is our store's. */
export function positionOf(received: Received, { since, numbersSince }: Meta): Position {
  const { peer, content, epoch } = received;
  const { convSeq: number, instance, boot, sentAtMs: atMs } = content;
  const { name: sender, succeededBy, instance: present } = peer;
  // What came to a former identity of ours is counted apart.
  const isPresent = epoch === numbersSince;
  const line = isPresent ? lineOf(peer, { since, instance }).map(toHex) : [];
  // The numbers of one store go on over its runs, each of which has a window of its own.
  const before = (): readonly Said[] => {
    const windows = peer.windows.filter(
      (window) => isPresent && window.since === since && isSameStore(window.instance, instance),
    );
    return windows.map((window) => {
      const isSpeaker = present !== null && equalBytes(window.instance, present);
      const told = { boot: window.boot, atMs: isSpeaker ? peer.spoken.atMs : undefined };
      const runs = { run: toHex(window.instance), line: lineOf(peer, window).map(toHex) };
      return { number: highestBefore(window, number), ...runs, ...told };
    });
  };
  const isLost = present !== null && !isSameStore(present, instance);
  const isFormer = succeededBy !== null || !isPresent || isLost;
  const said = { number, run: toHex(instance), boot, atMs, line };
  return { ...said, source: sourceOf(received), sender, before, isFormer };
}

type Taken = Pick<Envelope, 'from' | 'id' | 'blob'>;

/** Of the envelope's id, and of the end of what it holds. */
const HALF_BYTES = 2;
const TAG_BYTES = 2 * HALF_BYTES;

/**
 * What is written with envelopes of one peer that are taken with one commit: a hub that is killed
 * together with this agent delivers the last ones again, and does not know that it does.
 */
export async function takenWith(
  store: Pick<AgentStore, 'get'>,
  envelopes: readonly Taken[],
): Promise<readonly StoreOperation[]> {
  const [first] = envelopes;
  if (first === undefined) return [];
  const key = ROW.taken(first.from);
  const before = (await store.get(key)) ?? new Uint8Array();
  const all = concatBytes(before, ...envelopes.map(tagOf));
  return [{ put: key, value: all.slice(-AGENT_LIMITS.takenTags * TAG_BYTES) }];
}

/** Whether this very envelope is one of the last that were taken of its sender. */
export async function wasTaken(store: Pick<AgentStore, 'get'>, envelope: Taken): Promise<boolean> {
  const tags = (await store.get(ROW.taken(envelope.from))) ?? new Uint8Array();
  const tag = tagOf(envelope);
  for (let at = 0; at < tags.length; at += TAG_BYTES) {
    if (equalBytes(tags.subarray(at, at + TAG_BYTES), tag)) return true;
  }
  return false;
}

/** The end of a sealed message is that of its authentication tag. */
function tagOf({ id, blob }: Taken): Uint8Array {
  return concatBytes(id.subarray(0, HALF_BYTES), blob.subarray(-HALF_BYTES));
}
