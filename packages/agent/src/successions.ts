/**
 * Peers that change their identity (protocol.md §2.13): whether we may follow, and the end of what
 * we said to the identity before. Owns asking for the records between the two; the judgement is
 * `succession`'s, pins are `introductions`'.
 */
import { addressOf, CryptoError, equalBytes, parseIdentityRecord, toHex } from '@agentmesh/crypto';
import type { IdentityRecord, PublicIdentity } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type { AgentContext } from './agent-context.js';
import { loadPeer } from './handshake.js';
import type { HubLink } from './hub-link.js';
import { encodePeer, fingerprintOfPeer } from './peer.js';
import type { Peer } from './peer.js';
import { ROW } from './row-keys.js';
import { forgetSent } from './sent-log.js';
import { isSuccessor } from './succession.js';

/** The changes of identity of one agent's peers. */
export class Successions {
  readonly #context: AgentContext;
  readonly #link: HubLink | null;

  constructor(context: AgentContext, link: HubLink | null) {
    this.#context = context;
    this.#link = link;
  }

  /** Whether this record's owner rightly follows that identity, and nobody has to be asked. */
  async mayFollow(record: IdentityRecord, identity: PublicIdentity): Promise<boolean> {
    if (this.#link === null || this.#context.policy.mode === 'strict') return false;
    return isSuccessor(record, identity, (aid) => this.recordOf(aid));
  }

  /** The record of an identity, also of one that another has followed; null if the hub has none. */
  async recordOf(aid: Uint8Array): Promise<IdentityRecord | null> {
    const link = this.#link;
    if (link === null) return null;
    try {
      const bundle = await link.ask((hub) => hub.getBundle(addressOf(aid), { oneTime: false }));
      const record = parseIdentityRecord(bundle.record);
      const isAsked = equalBytes(record.identity.aid, aid);
      return isAsked && equalBytes(record.hubId, link.hubId ?? aid) ? record : null;
    } catch (error) {
      const isAnswer = error instanceof ProtocolError && error.code === 'PEER_NOT_FOUND';
      if (isAnswer || error instanceof CryptoError) return null;
      throw error;
    }
  }

  /** This peer has followed another one, who gets nothing any more. Told once. */
  async complete(successor: Peer): Promise<void> {
    const context = this.#context;
    const previous = successor.formerly.at(-1);
    if (previous === undefined) return;
    const { aid } = successor.identity;
    await context.peers.run(toHex(previous), async () => {
      const tx = context.transaction();
      const peer = await loadPeer(tx, previous);
      if (peer === null || peer.succeededBy !== null) return;
      forgetSent(tx, peer);
      tx.put(ROW.peer(previous), encodePeer({ ...peer, succeededBy: aid }));
      await tx.commit();
      context.events.emit('identityRotated', {
        peer: successor.name,
        address: addressOf(aid),
        fingerprint: fingerprintOfPeer(successor),
        previous: addressOf(previous),
      });
    });
  }
}
