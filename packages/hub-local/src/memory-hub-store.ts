/**
 * `MemoryHubStore`: the whole `HubStore` contract in this process's memory. "Durable" here means as
 * long as the object lives: hand the same store to a new hub and it is a restart.
 * Owns nothing itself: `memory-directory` and `memory-queues` hold the state.
 */
import type { RandomSource, StoreTimelines } from '@agentmesh/protocol';
import type {
  BundleRequest,
  ClaimResult,
  IdentityUpdate,
  KeyInventory,
  Leaving,
  NameClaim,
  NameQuery,
  PrekeyUpdate,
  PutIdentityResult,
  PutPrekeysResult,
  RevocationUpdate,
  StoredBundle,
} from './directory-store.js';
import type {
  CommitResult,
  ExpireRequest,
  ExpireResult,
  FetchQuery,
  HubStore,
  NoticeQuery,
  OutlineQuery,
  QueueChanges,
  QueueEntry,
  QueueOutline,
  QueuePage,
  QueueQuery,
  StoreCounts,
  StoredNotice,
} from './hub-store.js';
import { systemHost } from './hub-host.js';
import { MemoryDirectory } from './memory-directory.js';
import { MemoryQueues } from './memory-queues.js';

/** Bounds of what only memory has to bound. */
export interface MemoryHubStoreOptions {
  /**
   * Ids of envelopes that left their queue and are remembered against a late re-sending; about 300
   * bytes each. Beyond it the oldest are forgotten before their time.
   */
  readonly maxSettledIds?: number | undefined;
  /** Default: the machine's. */
  readonly random?: RandomSource | undefined;
}

const DEFAULT_MAX_SETTLED_IDS = 200_000;

/** A `HubStore` in memory. Each method acts at once and answers in a later microtask. */
export class MemoryHubStore implements HubStore {
  readonly #directory = new MemoryDirectory();
  readonly #queues: MemoryQueues;
  readonly #history: StoreTimelines;
  #seed: Uint8Array | null = null;

  constructor(options: MemoryHubStoreOptions = {}) {
    const { random = systemHost.random } = options;
    this.#history = { store: random(16), timelines: [random(16)] };
    this.#queues = new MemoryQueues({
      refusalOf: (key, nowMs, retiredMs) => this.#directory.refusalOf(key, nowMs, retiredMs),
      maxSettled: options.maxSettledIds ?? DEFAULT_MAX_SETTLED_IDS,
    });
  }

  hubSeed(create: () => Uint8Array): Promise<Uint8Array> {
    this.#seed ??= create();
    return Promise.resolve(this.#seed);
  }

  /** What is in memory goes on as long as it is there. */
  history(): Promise<StoreTimelines> {
    return Promise.resolve(this.#history);
  }

  counts(): Promise<StoreCounts> {
    return Promise.resolve({ agents: this.#directory.agents, ...this.#queues.counts });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  claim(claim: NameClaim): Promise<ClaimResult> {
    return Promise.resolve(this.#directory.claim(claim));
  }

  leave(leaving: Leaving): Promise<void> {
    return Promise.resolve(this.#directory.leave(leaving));
  }

  allLeft(nowMs: number): Promise<void> {
    return Promise.resolve(this.#directory.allLeft(nowMs));
  }

  aidOfName(name: string): Promise<Uint8Array | null> {
    return Promise.resolve(this.#directory.aidOfName(name));
  }

  putIdentity(update: IdentityUpdate): Promise<PutIdentityResult> {
    return Promise.resolve(this.#directory.putIdentity(update));
  }

  putRevocation(update: RevocationUpdate): Promise<'stored' | 'unknown'> {
    return Promise.resolve(this.#directory.putRevocation(update));
  }

  putPrekeys(update: PrekeyUpdate): Promise<PutPrekeysResult> {
    return Promise.resolve(this.#directory.putPrekeys(update));
  }

  keys(aid: Uint8Array): Promise<KeyInventory> {
    return Promise.resolve(this.#directory.keys(aid));
  }

  takeBundle(request: BundleRequest): Promise<StoredBundle | null> {
    return Promise.resolve(this.#directory.takeBundle(request));
  }

  names(query: NameQuery): Promise<readonly string[]> {
    return Promise.resolve(this.#directory.names(query));
  }

  commit(changes: QueueChanges): Promise<CommitResult> {
    return Promise.resolve(this.#queues.commit(changes));
  }

  read(query: QueueQuery): Promise<QueuePage> {
    return Promise.resolve(this.#queues.read(query));
  }

  outline(query: OutlineQuery): Promise<QueueOutline> {
    return Promise.resolve(this.#queues.outline(query));
  }

  fetch(query: FetchQuery): Promise<readonly QueueEntry[]> {
    return Promise.resolve(this.#queues.fetch(query));
  }

  queued(recipient: Uint8Array): Promise<number> {
    return Promise.resolve(this.#queues.queued(recipient));
  }

  expire(request: ExpireRequest): Promise<ExpireResult> {
    const forgotten = this.#directory.expire(request);
    return Promise.resolve({ ...this.#queues.expire(request), forgotten });
  }

  notices(query: NoticeQuery): Promise<readonly StoredNotice[]> {
    return Promise.resolve(this.#queues.notices(query));
  }

  dropNotices({ sender, upTo }: { sender: Uint8Array; upTo: number }): Promise<void> {
    this.#queues.dropNotices(sender, upTo);
    return Promise.resolve();
  }
}
