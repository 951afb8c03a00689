/**
 * How an agent is doing: numbers and names for its operator. Owns the reading of peer rows for that
 * purpose; the calls for all peers look at every row, nothing else does.
 */
import { addressOf, fromHex } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import type { HubLink } from '../hub/hub-link.js';
import type { Engine } from './engine.js';
import { AgentError } from '../ground/errors.js';
import { activeOf, decodePeer, fingerprintOfPeer } from '../conversation/peer.js';
import type { Peer, Trust } from '../conversation/peer.js';
import { ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';

/** What is known of a peer. */
export interface PeerInfo {
  readonly name: string;
  readonly address: string;
  readonly fingerprint: string;
  readonly trust: Trust;
  /** Whether somebody has to decide about its identity with `trust`. */
  readonly contested: boolean;
  /** `none`; else whether the session in use was begun with a one-time prekey. */
  readonly session: 'none' | 'one-time' | 'no-one-time';
}

/** Result of `status()`. */
export interface AgentStatus {
  readonly agentId: string;
  readonly fingerprint: string;
  /** Names of the peers to whom there is a session, and of all that are pinned, in order. */
  readonly activeSessions: readonly string[];
  readonly knownPeers: readonly string[];
  readonly activeSessionCount: number;
  readonly knownPeerCount: number;
  readonly handlers: number;
  /** `none` without a hub. */
  readonly connection: 'online' | 'offline' | 'ended' | 'none';
  /** Messages not yet accepted by the hub, and not yet done by the handlers. */
  readonly outbox: number;
  readonly inbox: number;
  /** The outbox by peers; `sinceMs`: when the oldest of them came there, null if not known. */
  readonly waiting: readonly {
    readonly peer: string;
    readonly messages: number;
    readonly sinceMs: number | null;
  }[];
  /** How far the clock of the hub is ahead of ours, in milliseconds; 0 before the first time. */
  readonly hubAheadMs: number;
  /** One-time prekeys that the hub had when it was last reached; null before the first time. */
  readonly oneTimePrekeys: number | null;
}

/** Every peer of the store, by aid. */
export async function knownPeers(context: AgentContext): Promise<PeerInfo[]> {
  const found: PeerInfo[] = [];
  for await (const { value } of rowsUnder(context.store, 'peer')) {
    found.push(infoOf(decodePeer(value), context.self.meta.epoch));
  }
  return found;
}

/** One peer. Rejects with UNKNOWN_PEER. */
export async function knownPeer(context: AgentContext, aid: Uint8Array): Promise<PeerInfo> {
  const row = await context.store.get(ROW.peer(aid));
  if (row === null) throw new AgentError('UNKNOWN_PEER');
  return infoOf(decodePeer(row), context.self.meta.epoch);
}

function infoOf(peer: Peer, epoch: number): PeerInfo {
  const active = activeOf(peer, epoch);
  const kind = active?.oneTimePrekey === true ? 'one-time' : 'no-one-time';
  return {
    name: peer.name,
    address: addressOf(peer.identity.aid),
    fingerprint: fingerprintOfPeer(peer),
    trust: peer.trust,
    contested: peer.contestedBy !== null,
    session: active === null ? 'none' : kind,
  };
}

export async function statusOf(engine: Engine): Promise<AgentStatus> {
  const { context, dispatcher, hub, transmitter } = engine;
  const peers = await knownPeers(context);
  const nowMs = context.runtime.now();
  const talking = peers.filter(({ session }) => session !== 'none');
  return {
    agentId: context.name,
    fingerprint: context.self.keyPair.fingerprint,
    activeSessions: namesOf(talking),
    knownPeers: namesOf(peers),
    activeSessionCount: talking.length,
    knownPeerCount: peers.length,
    handlers: dispatcher.handlers,
    connection: hub === null ? 'none' : connectionOf(hub.link),
    outbox: transmitter.depth,
    inbox: dispatcher.depth,
    waiting: await waitingOf(engine),
    hubAheadMs: context.hubClock.toHub(nowMs) - nowMs,
    oneTimePrekeys: hub?.link.session?.oneTimePrekeys ?? null,
  };
}

async function waitingOf({ context, transmitter }: Engine): Promise<AgentStatus['waiting']> {
  const rows = transmitter.waiting().map(async ({ aid, ...rest }) => {
    const row = await context.store.get(ROW.peer(fromHex(aid)));
    return { peer: row === null ? addressOf(fromHex(aid)) : decodePeer(row).name, ...rest };
  });
  return Promise.all(rows);
}

function namesOf(peers: readonly PeerInfo[]): readonly string[] {
  return peers.map(({ name }) => name).toSorted();
}

function connectionOf({ isUp, ended }: HubLink): AgentStatus['connection'] {
  if (ended !== null) return 'ended';
  return isUp ? 'online' : 'offline';
}
