/**
 * A peer and the session that sends to it: the active one, or a new one from a bundle that was
 * handed over or that the hub serves (protocol.md §2.9). Owns when a session is begun or replaced.
 * The network is asked outside of the peer's lock.
 */
import { AgentMeshError, CryptoError, parseIdentityRecord, toHex } from '@agentmesh/crypto';
import type { Bundle, CryptoSession } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import type { BundleSource } from './bundle-source.js';
import { decodeHanded } from './handed-bundle.js';
import type { Conversation } from '../conversation/compose.js';
import type { Author } from '../self/author.js';
import {
  AgentError,
  IdentityChangedError,
  StorageError,
  SucceededError,
} from '../ground/errors.js';
import {
  assertOneTimePrekey,
  assertSameIdentity,
  beginSession,
  checkBundle,
  loadPeer,
  questionFor,
} from '../conversation/handshake.js';
import { activeOf } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { ROW } from '../store/row-keys.js';
import { conditionOf, decodeSessionRow } from '../conversation/sessions.js';
import type { SessionEntry } from '../conversation/sessions.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { assertUsable } from '../conversation/trust.js';

/** A conversation under the peer's lock, which ends with it. Its user commits the transaction. */
export interface Talk extends Conversation, Disposable {
  readonly tx: StoreTransaction;
  readonly author: Author;
}

/** What the hub answered; `none` when an old session may go on without. */
type Fetched = { readonly bundle: Bundle; readonly hubId: Uint8Array | null } | 'none';

/** How long an old session goes on before its renewal is tried again. */
const RENEWAL_RETRY_MS = 600_000;

/** The conversations of one agent. */
export class SessionFinder {
  readonly #context: AgentContext;
  readonly #bundles: BundleSource;
  /** By aid in hex: when the renewal of an old session may be tried again. */
  readonly #renewAfter = new Map<string, number>();

  constructor(context: AgentContext, bundles: BundleSource) {
    this.#context = context;
    this.#bundles = bundles;
  }

  /** Finds or begins a session with a peer; nobody else speaks to it until that is disposed of. */
  async take(aid: Uint8Array): Promise<Talk> {
    let fetched: Fetched | null = null;
    for (;;) {
      const found = await this.#tryTake(aid, fetched);
      if ('session' in found) return found;
      fetched = await this.#fetch(found);
    }
  }

  /** One try under the lock; gives the peer if a bundle of its is needed first. */
  async #tryTake(aid: Uint8Array, fetched: Fetched | null): Promise<Talk | Peer> {
    const release = await this.#lock(aid);
    try {
      const tx = this.#context.transaction();
      const author = this.#context.self.author();
      const peer = await loadPeer(tx, aid);
      if (peer === null) throw new AgentError('UNKNOWN_PEER');
      assertUsable(peer);
      if (peer.succeededBy !== null) throw new SucceededError(peer.succeededBy);
      const conversation = await this.#find(tx, author, { peer, fetched });
      if (conversation !== null) return { tx, author, ...conversation, [Symbol.dispose]: release };
      release();
      return peer;
    } catch (error) {
      release();
      throw error;
    }
  }

  async #lock(aid: Uint8Array): Promise<() => void> {
    const { identityLock, peers } = this.#context;
    const unlock = await peers.lock(toHex(aid));
    const unshare = await identityLock.share();
    return () => {
      unshare();
      unlock();
    };
  }

  async #find(
    tx: StoreTransaction,
    author: Author,
    { peer, fetched }: { readonly peer: Peer; readonly fetched: Fetched | null },
  ): Promise<Conversation | null> {
    const entry = activeOf(peer, author.meta.epoch);
    const condition = entry === null ? 'unusable' : conditionOf(entry, author.nowMs);
    if (entry !== null && condition === 'fresh') return this.#load(tx, peer, entry);
    const handed = await this.#beginFromHanded(tx, author, peer);
    if (handed !== null) return handed;
    if (entry !== null && condition === 'old' && this.#goesOn(peer, fetched)) {
      return this.#load(tx, peer, entry);
    }
    if (fetched === null || fetched === 'none') return null;
    assertSameIdentity(peer, fetched.bundle);
    const question = questionFor(peer, fetched.hubId);
    const bundle = this.#context.hubClock.judge(() =>
      checkBundle(fetched.bundle, question, peer, author.nowMs),
    );
    assertOneTimePrekey(bundle, this.#context.requireOneTimePrekey);
    return beginSession(tx, author, { peer, bundle });
  }

  /** Whether an old session is used although a new one would be better. */
  #goesOn(peer: Peer, fetched: Fetched | null): boolean {
    if (this.#isOutdated(peer)) return false;
    if (fetched === 'none' || !this.#bundles.hasHub) return true;
    const after = this.#renewAfter.get(toHex(peer.identity.aid)) ?? 0;
    return fetched === null && this.#context.waits() < after;
  }

  /** A session from the bundle that was handed over, if there is one; it is used once. */
  async #beginFromHanded(
    tx: StoreTransaction,
    author: Author,
    peer: Peer,
  ): Promise<Conversation | null> {
    const key = ROW.bundle(peer.identity.aid);
    const row = await tx.get(key);
    if (row === null) return null;
    tx.delete(key);
    const handed = decodeHanded(row);
    try {
      const bundle = checkBundle(handed, questionFor(peer, null), peer, author.nowMs);
      assertOneTimePrekey(bundle, this.#context.requireOneTimePrekey);
      return await beginSession(tx, author, { peer, bundle });
    } catch (error) {
      const isStale = error instanceof CryptoError || error instanceof AgentError;
      if (isStale && this.#bundles.hasHub) return null;
      throw error;
    }
  }

  /** Asks the hub for a peer: once for a renewal, else until it answers. */
  async #fetch(peer: Peer): Promise<Fetched> {
    const bundles = this.#bundles;
    if (!bundles.hasHub) throw new AgentError('NO_SESSION');
    const ask = (): Promise<Bundle> => bundles.request({ peer: peer.name, oneTime: true });
    const entry = activeOf(peer, this.#context.self.meta.epoch);
    const isRenewal =
      entry !== null && conditionOf(entry, this.#context.runtime.now()) !== 'unusable';
    if (!isRenewal) return { bundle: await ask(), hubId: bundles.hubId };
    try {
      const bundle = await bundles.ask({ peer: peer.name, oneTime: true });
      assertSameIdentity(peer, bundle);
      checkBundle(bundle, questionFor(peer, bundles.hubId), peer, this.#context.runtime.now());
      return { bundle, hubId: bundles.hubId };
    } catch (error) {
      return this.#withoutRenewal(peer, error);
    }
  }

  /**
   * Whether the newest record of a peer has run out: nothing is said to it before there is a new
   * one, since that bounds how long a hub can hide that it was revoked (§2.1).
   */
  #isOutdated({ record }: Peer): boolean {
    return parseIdentityRecord(record.bytes).validUntilMs <= this.#context.runtime.now();
  }

  /** An old session goes on, unless the peer's name shows another identity, or a void one. */
  #withoutRenewal(peer: Peer, error: unknown): Fetched {
    const isFinal = error instanceof IdentityChangedError || !(error instanceof AgentMeshError);
    if (isFinal || error.code === 'REVOKED' || this.#isOutdated(peer)) throw error;
    const retryMs = this.#context.waits() + RENEWAL_RETRY_MS;
    this.#renewAfter.set(toHex(peer.identity.aid), retryMs);
    this.#context.log.warn('session not renewed', { peer: peer.name, code: error.code });
    return 'none';
  }

  async #load(tx: StoreTransaction, peer: Peer, entry: SessionEntry): Promise<Conversation> {
    const row = await tx.get(ROW.session(entry.sid));
    if (row === null) throw this.#context.store.fail(new StorageError('STORE_CORRUPT', 'session'));
    const session: CryptoSession = decodeSessionRow(row);
    return { peer, session };
  }
}
