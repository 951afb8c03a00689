/**
 * Invites of this agent: made, listed, revoked, and spent by whoever proves to have one
 * (protocol.md §2.19). Owns their rows and uses. Uses are counted in memory before they are
 * written, so that two joiners at one moment never share the last one; a commit that fails stops
 * the agent.
 */
import { equalBytes, fromHex, inviteId, inviteMac, toHex } from '@agentmesh/crypto';
import { encodeInvite } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import type { Received } from '../conversation/judge.js';
import { loadPeer } from '../conversation/handshake.js';
import { encodePeer } from '../conversation/peer.js';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { readInviteProof } from '../message/payload.js';
import type { Ending } from '../owed/owed.js';
import { RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { StoreTransaction } from '../store/store-transaction.js';

const SECRET_BYTES = 16;

/** An invite that has uses left. It is no secret: the link is. */
export interface InviteInfo {
  /** 16 hex digits, for `revokeInvite`. */
  readonly id: string;
  readonly usesLeft: number;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
  readonly expiresMs: number;
}

interface Entry extends InviteInfo {
  readonly secret: Uint8Array;
  /** aids of those that have used it, in hex: who comes again spends nothing. */
  readonly usedBy: readonly string[];
}

const JOINED: Ending = { state: 'handled', reason: '' };

/** The invites of one agent. */
export class Invites {
  readonly #context: AgentContext;
  readonly #entries = new Map<string, Entry>();

  constructor(context: AgentContext) {
    this.#context = context;
  }

  async load(): Promise<void> {
    const nowMs = this.#context.runtime.now();
    for await (const { key, value } of rowsUnder(this.#context.store, 'invite')) {
      const entry = decodeEntry(key.slice(key.indexOf('/') + 1), value);
      if (entry.expiresMs > nowMs) this.#entries.set(entry.id, entry);
      else await this.#context.store.commit([{ delete: key }]);
    }
  }

  /** Makes an invite; committed before its link is given. Rejects with BACKPRESSURE or NO_HUB. */
  async create(wish: {
    readonly uses: number;
    readonly expiresMs: number;
    readonly token: string | null;
    readonly hubs: readonly string[];
  }): Promise<{ readonly id: string; readonly link: string }> {
    const { runtime, self, name, store } = this.#context;
    this.#dropExpired();
    if (this.#entries.size >= AGENT_LIMITS.openInvites) {
      throw new AgentError('BACKPRESSURE', `${AGENT_LIMITS.openInvites} invites are open`);
    }
    const hubKey = await store.get(ROW.hub);
    if (hubKey === null) throw new AgentError('NO_HUB', 'an invite leads to a hub');
    const secret = runtime.random(SECRET_BYTES);
    const id = toHex(inviteId(secret));
    const { uses, expiresMs, token, hubs } = wish;
    const createdMs = runtime.now();
    const entry = { id, secret, usesLeft: uses, createdMs, expiresMs, usedBy: [] };
    await store.commit([{ put: ROW.invite(fromHex(id)), value: encodeEntry(entry) }]);
    this.#entries.set(id, entry);
    return {
      id,
      link: encodeInvite({ hubs, hubKey, aid: self.aid, name, expiresMs, secret, token }),
    };
  }

  list(): readonly InviteInfo[] {
    this.#dropExpired();
    return [...this.#entries.values()]
      .filter(({ usesLeft }) => usesLeft > 0)
      .map(({ id, usesLeft, createdMs, expiresMs }) => ({ id, usesLeft, createdMs, expiresMs }));
  }

  /** Nobody joins with it any more; who has joined stays. Rejects with UNKNOWN_INVITE. */
  async revoke(id: string): Promise<void> {
    if (!this.#entries.has(id)) throw new AgentError('UNKNOWN_INVITE', `'${id}'`);
    this.#entries.delete(id);
    await this.#context.store.commit([{ delete: ROW.invite(fromHex(id)) }]);
  }

  /**
   * Spends an invite in the commit that receives its proof: the joiner is verified. Null for a
   * message without one; otherwise how it ends, refused with a reason where it proves nothing.
   */
  async redeem(tx: StoreTransaction, received: Received): Promise<Ending | null> {
    const { body, repeated, peer } = received;
    if (body.kind !== 'application' || repeated) return null;
    const proof = readInviteProof(body.payload);
    if (proof === null) return null;
    this.#dropExpired();
    const entry = this.#entries.get(proof.id);
    // One answer for what never was, is over or was revoked: it tells a guesser nothing.
    if (entry === undefined) return refused('INVITE_EXPIRED');
    const joiner = peer.identity.aid;
    const pair = { inviter: this.#context.self.aid, joiner };
    if (!equalBytes(inviteMac(entry.secret, pair), proof.mac)) return refused('INVITE_EXPIRED');
    const hex = toHex(joiner);
    if (!entry.usedBy.includes(hex)) {
      if (entry.usesLeft === 0) return refused('INVITE_USED');
      const spent = { ...entry, usesLeft: entry.usesLeft - 1, usedBy: [...entry.usedBy, hex] };
      this.#entries.set(entry.id, spent);
      tx.put(ROW.invite(fromHex(entry.id)), encodeEntry(spent));
    }
    await verify(tx, joiner);
    return JOINED;
  }

  /** Their rows go at the next start. */
  #dropExpired(): void {
    const nowMs = this.#context.runtime.now();
    for (const [id, { expiresMs }] of this.#entries) {
      if (expiresMs <= nowMs) this.#entries.delete(id);
    }
  }
}

async function verify(tx: StoreTransaction, aid: Uint8Array): Promise<void> {
  const peer = await loadPeer(tx, aid);
  if (peer === null) return;
  for (const row of [ROW.contact, ROW.stranger]) tx.delete(row(aid));
  if (peer.trust === 'verified') return;
  tx.put(ROW.peer(aid), encodePeer({ ...peer, trust: 'verified', verifiedBy: 'invite' }));
}

function refused(reason: string): Ending {
  return { state: 'refused', reason };
}

const VERSION = 1;

function encodeEntry({ secret, usesLeft, createdMs, expiresMs, usedBy }: Entry): Uint8Array {
  const row = new RowWriter().u8(VERSION).fixed(secret).u32(usesLeft);
  row
    .u64(createdMs)
    .u64(expiresMs)
    .list(usedBy, (aid) => row.fixed(fromHex(aid)));
  return row.finish();
}

/** Reads a row back; throws STORE_CORRUPT. */
function decodeEntry(id: string, bytes: Uint8Array): Entry {
  const row = new RowReader(bytes, 'invite');
  if (row.u8() !== VERSION) row.fail();
  const secret = row.fixed(SECRET_BYTES);
  const usesLeft = row.u32();
  const createdMs = row.u64();
  const expiresMs = row.u64();
  const usedBy = row.list(() => toHex(row.fixed(32)));
  row.end();
  return { id, secret, usesLeft, createdMs, expiresMs, usedBy };
}
