/**
 * Peers that change their identity (protocol.md §2.13): whether we may follow, and the end of what
 * we said to the identity before. Owns asking for the records between the two; the judgement is
 * `succession`'s, pins are `introductions`'.
 */
import { addressOf, CryptoError, equalBytes, parseIdentityRecord, toHex } from '@agentmesh/crypto';
import type { Bundle, IdentityRecord, PublicIdentity } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { isNotFound } from './bundle-source.js';
import type { BundleSource } from './bundle-source.js';
import { loadPeer } from '../conversation/handshake.js';
import { encodePeer, fingerprintOfPeer } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { forgetReplaced } from './forgetting.js';
import type { Revocations } from './revocations.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { isSuccessor } from '../conversation/succession.js';

/** The changes of identity of one agent's peers. */
export class Successions {
  readonly #context: AgentContext;
  readonly #bundles: BundleSource;
  readonly #revocations: Revocations;
  readonly #onFollowed: (previous: Uint8Array) => void;

  constructor(parts: {
    readonly context: AgentContext;
    readonly bundles: BundleSource;
    readonly revocations: Revocations;
    readonly onFollowed: (previous: Uint8Array) => void;
  }) {
    this.#context = parts.context;
    this.#bundles = parts.bundles;
    this.#revocations = parts.revocations;
    this.#onFollowed = parts.onFollowed;
  }

  /**
   * Whether this record's owner rightly follows that identity, and nobody has to be asked. A
   * revoked one vouches for no successor: a thief of its keys could have signed.
   */
  async mayFollow(record: IdentityRecord, identity: PublicIdentity): Promise<boolean> {
    if (!this.#bundles.hasHub || this.#context.policy.mode === 'strict') return false;
    const present = await this.#bundleOf(identity.aid);
    if (present?.revocation !== undefined || (await this.#revocations.has(identity.aid)))
      return false;
    return isSuccessor(record, identity, (aid) => this.recordOf(aid));
  }

  /** The record of an identity, also of one that another has followed; null if there is none. */
  async recordOf(aid: Uint8Array): Promise<IdentityRecord | null> {
    const bundle = await this.#bundleOf(aid);
    if (bundle === null || bundle.revocation !== undefined) return null;
    if (await this.#revocations.has(aid)) return null;
    const hubId = this.#bundles.hubId;
    try {
      const record = parseIdentityRecord(bundle.record);
      const isAsked = equalBytes(record.identity.aid, aid);
      return isAsked && hubId !== null && equalBytes(record.hubId, hubId) ? record : null;
    } catch (error) {
      if (error instanceof CryptoError) return null;
      throw error;
    }
  }

  async #bundleOf(aid: Uint8Array): Promise<Bundle | null> {
    try {
      return await this.#bundles.ask({ peer: addressOf(aid), oneTime: false });
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /** Of a peer that changes its identity again and again the oldest one gives way to the next. */
  async forgetOldest(tx: StoreTransaction, { formerly }: Peer): Promise<void> {
    const [oldest] = formerly.length < AGENT_LIMITS.successionLinks ? [] : formerly;
    const peer = oldest === undefined ? null : await loadPeer(tx, oldest);
    if (peer !== null) await forgetReplaced(this.#context.store, tx, peer);
  }

  /**
   * This peer has followed another one, who is told nothing any more. Told once. What was sent to
   * that one before and is not acknowledged is settled with this one.
   */
  async complete(successor: Peer): Promise<void> {
    const context = this.#context;
    const previous = successor.formerly.at(-1);
    if (previous === undefined) return;
    const { aid } = successor.identity;
    await context.peers.run(toHex(previous), async () => {
      const tx = context.transaction();
      const peer = await loadPeer(tx, previous);
      if (peer === null || peer.succeededBy !== null) return;
      tx.put(ROW.peer(previous), encodePeer({ ...peer, succeededBy: aid }));
      const { epoch, keptFrom, next } = peer.outgoing;
      if (keptFrom < next) tx.put(ROW.behind(previous, epoch), new Uint8Array());
      await tx.commit();
      this.#onFollowed(previous);
      context.events.emit('identityRotated', {
        peer: successor.name,
        address: addressOf(aid),
        fingerprint: fingerprintOfPeer(successor),
        previous: addressOf(previous),
      });
    });
  }
}
