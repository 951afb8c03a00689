/**
 * Answers what could not be opened with a new session and a retry request (protocol.md §2.10),
 * within the budget of `recovery`. Owns the act; nothing in the unreadable message is believed but
 * that the hub says from whom it came.
 */
import { addressOf, CONTENT_KIND, encodeRetry, toHex } from '@agentmesh/crypto';
import type { PeerBundle } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import type { BundleSource } from '../peers/bundle-source.js';
import { AgentError, SucceededError } from '../ground/errors.js';
import {
  assertOneTimePrekey,
  assertSameIdentity,
  beginSession,
  checkBundle,
  loadPeer,
  questionFor,
} from '../conversation/handshake.js';
import type { HandshakeBudget } from '../peers/handshake-budget.js';
import type { Introductions } from '../peers/introductions.js';
import type { Peer } from '../conversation/peer.js';
import { afterReset, mayReset, unreceived } from '../conversation/recovery.js';
import { ROW } from '../store/row-keys.js';
import type { Sender } from '../sending/sender.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { assertUsable, isStrangerRefused } from '../conversation/trust.js';

/** Whom to begin anew with. */
interface Subject {
  readonly peer: Peer;
  readonly bundle: PeerBundle;
  readonly isNew: boolean;
}

/** The repairs of one agent. */
export class Repairs {
  readonly #context: AgentContext;
  readonly #bundles: BundleSource;
  readonly #introductions: Introductions;
  readonly #sender: Sender;
  readonly #budget: HandshakeBudget;
  /** Aids in hex, with whom this opening of the store has begun anew. */
  readonly #begunWith = new Set<string>();
  readonly #firstEpoch: number;

  constructor(parts: {
    readonly context: AgentContext;
    readonly bundles: BundleSource;
    readonly introductions: Introductions;
    readonly sender: Sender;
    readonly budget: HandshakeBudget;
  }) {
    this.#context = parts.context;
    this.#bundles = parts.bundles;
    this.#introductions = parts.introductions;
    this.#sender = parts.sender;
    this.#budget = parts.budget;
    this.#firstEpoch = parts.context.self.meta.epoch;
  }

  /**
   * Begins a new session with this identity and asks for what is missing. False when the budget
   * says no. The peer's lock is held; throws when the hub cannot be asked now.
   */
  repair(aid: Uint8Array): Promise<boolean> {
    return this.#context.identityLock.shared(() => this.#repair(aid));
  }

  async #repair(aid: Uint8Array): Promise<boolean> {
    const tx = this.#context.transaction();
    const author = this.#context.self.author();
    const known = await loadPeer(tx, aid);
    if (!this.#may(known, aid, author.nowMs)) return false;
    try {
      const { peer, bundle, isNew } = await this.#subject(tx, known, aid);
      assertOneTimePrekey(bundle, this.#context.requireOneTimePrekey);
      const reset = afterReset(peer.reset, author.nowMs);
      const begun = await beginSession(tx, author, { peer: { ...peer, reset }, bundle });
      const body = encodeRetry(unreceived(peer, author.meta.since));
      await this.#sender.sayIn({ tx, author, ...begun }, { kind: CONTENT_KIND.retry, body });
      this.#begunWith.add(toHex(aid));
      if (isNew) this.#introductions.met(peer);
      return true;
    } finally {
      this.#introductions.release(aid);
    }
  }

  #may(known: Peer | null, aid: Uint8Array, nowMs: number): boolean {
    if (known !== null) {
      assertUsable(known);
      if (known.succeededBy !== null) throw new SucceededError(known.succeededBy);
      return mayReset(known.reset, nowMs) || this.#mayAsCopy(aid);
    }
    const { policy } = this.#context;
    if (isStrangerRefused(policy, aid)) {
      throw new AgentError(policy.mode === 'strict' ? 'UNTRUSTED_PEER' : 'NOT_ACCEPTED');
    }
    return this.#budget.take(aid, this.#context.waits());
  }

  /**
   * A store that may be a copy, or is seen to be one, does not know when it has begun anew since it
   * was made. Each opening of such a store may do so once with everybody.
   */
  #mayAsCopy(aid: Uint8Array): boolean {
    const { cutBoot, meta } = this.#context.self;
    const isCopy = cutBoot !== null || meta.epoch !== this.#firstEpoch;
    return isCopy && !this.#begunWith.has(toHex(aid));
  }

  async #subject(tx: StoreTransaction, known: Peer | null, aid: Uint8Array): Promise<Subject> {
    const { runtime, hubClock } = this.#context;
    if (known === null) {
      const met = await this.#introductions.meetAddress(tx, aid);
      tx.put(ROW.name(met.peer.name), aid);
      const bundle = checkBundle(met.bundle, met.question, null, runtime.now());
      return { peer: met.peer, bundle, isNew: true };
    }
    const raw = await this.#bundles.ask({ peer: addressOf(aid), oneTime: true });
    assertSameIdentity(known, raw);
    const question = questionFor(known, this.#bundles.hubId);
    const bundle = hubClock.judge(() => checkBundle(raw, question, known, runtime.now()));
    return { peer: known, bundle, isNew: false };
  }
}
