/**
 * Identities that are void for good (protocol.md §2.13): learnt from bundles, from peers or from
 * the application, and never forgotten. Owns the rows and what ends with a peer; code that handles
 * an identity asks here, or finds the mark in the peer's row.
 */
import {
  addressOf,
  AgentMeshError,
  CryptoError,
  equalBytes,
  parseIdentityRecord,
  parseRevocation,
  toHex,
  verifyRevocation,
} from '@agentmesh/crypto';
import type { Bundle, PublicIdentity, Revocation } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { nameOf } from '../agent-context.js';
import { loadPeer } from '../conversation/handshake.js';
import { encodePeer } from '../conversation/peer.js';
import { forgetTalk } from './forgetting.js';
import { rowsUnder } from '../store/row-pages.js';
import { aidOfKey, ROW } from '../store/row-keys.js';

/** What an agent knows of revocations. */
export class Revocations {
  readonly #context: AgentContext;
  readonly #onEnd: (aid: Uint8Array, error: CryptoError) => void;

  /** `onEnd`: nothing that was said to this identity is sent any more, nor awaited. */
  constructor(context: AgentContext, onEnd: (aid: Uint8Array, error: CryptoError) => void) {
    this.#context = context;
    this.#onEnd = onEnd;
  }

  /** Completes what an earlier run had learnt; throws REVOKED when that is our own end. */
  async load(): Promise<void> {
    for await (const { key, value } of rowsUnder(this.#context.store, 'revoked')) {
      const aid = aidOfKey(key);
      if (equalBytes(aid, this.#context.self.aid)) throw new CryptoError('REVOKED');
      await this.#end(aid, parseRevocation(value));
    }
  }

  /** Whether an identity is known to be void here; a hub may hide what it knows. */
  async has(aid: Uint8Array): Promise<boolean> {
    return (await this.#context.store.get(ROW.revoked(aid))) !== null;
  }

  /** A bundle as anybody shows it: a genuine revocation in it is kept before it is looked at. */
  async noticeIn({ record, revocation }: Bundle): Promise<void> {
    if (revocation === undefined) return;
    try {
      await this.learn(parseRevocation(revocation), parseIdentityRecord(record).identity);
    } catch (error) {
      // The check of the bundle says what is wrong with it.
      if (!(error instanceof CryptoError)) throw error;
    }
  }

  /**
   * Keeps a revocation for ever if this identity, whose it must be, has signed it; false if not.
   * Durable when this resolves; what ends with it ends soon after.
   */
  async learn(revocation: Revocation, identity: PublicIdentity): Promise<boolean> {
    if (!verifyRevocation(revocation, identity)) return false;
    const { store, self } = this.#context;
    if (await this.has(identity.aid)) return true;
    await store.commit([{ put: ROW.revoked(identity.aid), value: revocation.bytes }]);
    if (equalBytes(identity.aid, self.aid)) store.fail(new CryptoError('REVOKED'));
    else this.#endSoon(identity.aid, revocation);
    return true;
  }

  /** Not awaited: the peer may be the one whose lock is held. */
  #endSoon(aid: Uint8Array, revocation: Revocation): void {
    this.#end(aid, revocation).catch((error: unknown) => {
      // The row is there: the next run completes it.
      const code = error instanceof AgentMeshError ? error.code : nameOf(error);
      this.#context.log.warn('revocation not completed', { code });
    });
  }

  /** All that was begun with this peer ends; nothing is sent to it or taken from it any more. */
  async #end(aid: Uint8Array, { reason, timeMs }: Revocation): Promise<void> {
    const context = this.#context;
    await context.peers.run(toHex(aid), async () => {
      const tx = context.transaction();
      const peer = await loadPeer(tx, aid);
      if (peer === null || peer.isRevoked) return;
      await forgetTalk(context.store, tx, peer);
      const outgoing = { ...peer.outgoing, keptFrom: peer.outgoing.next };
      const silent = { sessions: [], windows: [], aside: [], outgoing, owed: 0, isRevoked: true };
      tx.put(ROW.peer(aid), encodePeer({ ...peer, ...silent }));
      await tx.commit();
      this.#onEnd(aid, new CryptoError('REVOKED'));
      const address = addressOf(aid);
      context.log.warn('peer revoked', { peer: peer.name, address });
      context.events.emit('peerRevoked', { peer: peer.name, address, reason, timeMs });
    });
  }
}
