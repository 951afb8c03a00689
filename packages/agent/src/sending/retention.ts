/**
 * How long contents are kept that a peer has not acknowledged (protocol.md §2.10): the end of those
 * that are too old, too many, or refused by the hub, and who is told of it. Owns these ends; the
 * rows and their bounds are `sent-log`'s.
 */
import type { AgentMeshError, SequenceRange } from '@agentmesh/crypto';
import { toHex } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { loadPeer } from '../conversation/handshake.js';
import { isAwaiting } from '../conversation/outgoing.js';
import { encodePeer } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import {
  applicationId,
  encodeSentRow,
  fillerFor,
  loadSent,
  trimSent,
} from '../conversation/sent-log.js';
import type { SentRow, Trimmed } from '../conversation/sent-log.js';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { aidOfKey, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { Deliveries, Sent } from './deliveries.js';
import type { OutboxRow } from './outbox.js';

/** What it means that a message is not sent, where it was no refusal. */
const STATES: Readonly<Record<string, 'expired' | 'cancelled'>> = {
  EXPIRED_UNSENT: 'expired',
  CANCELLED: 'cancelled',
};

/** The contents that one agent keeps. */
export class Retention {
  readonly #context: AgentContext;
  readonly #deliveries: Deliveries;

  constructor(context: AgentContext, deliveries: Deliveries) {
    this.#context = context;
    this.#deliveries = deliveries;
  }

  /** Gives up what has waited for too long, also where nothing more is said. */
  async giveUpOld(): Promise<void> {
    const waiting = new Map(this.#deliveries.awaited().map((aid) => [toHex(aid), aid]));
    for await (const { key } of rowsUnder(this.#context.store, 'unacked')) {
      const aid = aidOfKey(key);
      waiting.set(toHex(aid), aid);
    }
    for (const [key, aid] of waiting) {
      await this.#context.peers.run(key, () => this.#giveUpOldOf(aid));
    }
    // Later than contents of the same age, which are looked at once an hour.
    this.#deliveries.expire(AGENT_LIMITS.keptMs + 2 * AGENT_LIMITS.upkeepMs, givenUp());
  }

  async #giveUpOldOf(aid: Uint8Array): Promise<void> {
    const tx = this.#context.transaction();
    const peer = await loadPeer(tx, aid);
    if (peer === null) return this.#endWait(tx, aid);
    const ourMs = this.#context.runtime.now();
    const times = { ourMs, hubMs: this.#context.hubClock.toHub(ourMs) };
    const trimmed = await trimSent(tx, aid, peer.outgoing, times);
    const { outgoing } = trimmed;
    if (!isAwaiting(outgoing)) await this.#endWait(tx, aid);
    if (outgoing === peer.outgoing) return;
    tx.put(ROW.peer(aid), encodePeer({ ...peer, outgoing }));
    await tx.commit();
    this.tellDropped(peer, trimmed);
  }

  /** No acknowledgement of this peer is waited for, whatever an earlier time has left. */
  async #endWait(tx: StoreTransaction, aid: Uint8Array): Promise<void> {
    const key = ROW.unacked(aid);
    if ((await tx.get(key)) !== null) await this.#context.store.commit([{ delete: key }]);
  }

  /**
   * A message is not sent, refused by the hub for good or by us: its number stays taken, but by
   * nothing. Of a repetition nothing is told: what was sent before it may have been handled.
   */
  async replaceRefused(
    row: Pick<OutboxRow, 'to' | 'epoch' | 'number'> & Partial<Pick<OutboxRow, 'form'>>,
    error: AgentMeshError,
    state: 'expired' | 'cancelled' | 'rejected' = STATES[error.code] ?? 'rejected',
  ): Promise<void> {
    const { to: aid, epoch, number, form } = row;
    if (form === 'again') return;
    const earlier = await this.#context.peers.run(toHex(aid), async () => {
      const tx = this.#context.transaction();
      const [sent, peer] = [await loadSent(tx, aid, row), await loadPeer(tx, aid)];
      if (sent === null) return null;
      const content = fillerFor(sent.content);
      tx.put(ROW.sent(aid, epoch, number), encodeSentRow({ ...sent, content }));
      await tx.commit();
      const id = applicationId(sent);
      return id === null || peer === null ? null : { aid, peer: peer.name, epoch, number, id };
    });
    const said = this.#deliveries.byPosition(aid, epoch, number);
    if (said !== undefined) this.#deliveries.failed(said, state, error);
    else if (earlier !== null) this.#deliveries.failedEarlier(earlier, state, error);
  }

  /** Its time is over, the peer does not have it, and it is not said again: committed. */
  tellExpired(place: Omit<Sent, 'id'>, sent: SentRow): void {
    const { aid, epoch, number } = place;
    const id = applicationId(sent);
    const error = new AgentError('UNDELIVERED', 'its time to live is over');
    const said = this.#deliveries.byPosition(aid, epoch, number);
    if (said !== undefined) this.#deliveries.failed(said, 'expired', error);
    else if (id !== null) this.#deliveries.failedEarlier({ ...place, id }, 'expired', error);
  }

  /** The peer asks for numbers below those that are kept: it will never have them. */
  tellLost({ identity, outgoing }: Peer, asked: readonly SequenceRange[]): void {
    const below = asked.map(({ from, to }) => ({ from, to: Math.min(to, outgoing.keptFrom - 1) }));
    const error = new AgentError('UNDELIVERED', 'the recipient misses it, and it is not kept here');
    const { aid } = identity;
    this.#deliveries.lost({ aid, epoch: outgoing.epoch }, below, error);
  }

  /**
   * Those given up because of their age: to whoever waits in this run, and for messages of earlier
   * runs to whoever listens. What is not kept any more because of its number or size may still
   * arrive.
   */
  tellDropped({ identity, name }: Peer, { outgoing, dropped, agedBelow }: Trimmed): void {
    const { aid } = identity;
    const { epoch } = outgoing;
    const error = givenUp();
    const earlier = dropped.filter(({ number }) => !this.#deliveries.isAwaited(aid, epoch, number));
    this.#deliveries.dropped({ aid, epoch }, agedBelow, error);
    for (const message of earlier) {
      this.#deliveries.failedEarlier({ aid, peer: name, epoch, ...message }, 'expired', error);
    }
  }
}

function givenUp(): AgentError {
  return new AgentError('UNDELIVERED', 'given up after 7 days');
}
