/**
 * Who may reach the handlers: messages of a peer that nobody has accepted yet are stored aside, and
 * a person decides (docs: "Who is this?"). Owns these rows, their bounds and the decisions; who a
 * peer is was judged before.
 */
import { addressOf, aidOfAddress, toHex } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { contactRow, decodeContact, encodeContact } from '../conversation/contact.js';
import type { ContactRow, ContactState } from '../conversation/contact.js';
import { loadPeer } from '../conversation/handshake.js';
import type { Received } from '../conversation/judge.js';
import { fingerprintOfPeer } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { KeyedMutex } from '../ground/keyed-mutex.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { decodeInboxRow, encodeInboxRow } from '../message/inbox.js';
import type { InboxRow } from '../message/inbox.js';
import type { Ending, Owed } from '../owed/owed.js';
import { forgetPeer } from '../peers/forgetting.js';
import { aidOfKey, orderOf, pendingOf, pendingOrderOf, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import type { Dispatcher, ReadMessage } from './dispatcher.js';
import type { Invites } from './invites.js';
import type { Strangers } from './strangers.js';

const HELD: Ending = { state: 'held', reason: '' };
const REFUSED: Ending = { state: 'refused', reason: 'NOT_ACCEPTED' };
const FULL: Ending = {
  state: 'refused',
  reason: 'NOT_ACCEPTED: its owner has to accept you first, and keeps no more until then',
};

interface ContactsParts {
  readonly context: AgentContext;
  readonly dispatcher: Dispatcher;
  readonly owed: Owed;
  readonly invites: Invites;
  readonly read: ReadMessage;
  readonly strangers: Strangers;
  /** A peer is forgotten: nothing is sent to it any more, nor awaited. */
  readonly onForgotten: (aid: Uint8Array) => void;
}

/**
 * A message was held back. `request`: the first of a stranger, of which somebody is told. `joined`:
 * its sender has spent an invite.
 */
export type HeldBack = 'request' | 'held' | 'joined';

/** The contacts of one agent. */
export class Contacts {
  readonly #parts: ContactsParts;
  /** By aid in hex: peers with a row, oldest first. */
  readonly #states = new Map<string, ContactState>();
  readonly #forgetting = new KeyedMutex();

  constructor(parts: ContactsParts) {
    this.#parts = parts;
  }

  /** Takes up what an earlier run left. */
  async load(): Promise<void> {
    const { store, logs } = this.#parts.context;
    const found: {
      readonly aid: string;
      readonly state: ContactState;
      readonly sinceMs: number;
    }[] = [];
    for await (const { key, value } of rowsUnder(store, 'contact')) {
      found.push({ aid: toHex(aidOfKey(key)), ...decodeContact(value) });
    }
    found.sort((a, b) => a.sinceMs - b.sinceMs);
    for (const { aid, state } of found) this.#states.set(aid, state);
    for await (const { key } of rowsUnder(store, 'pending')) {
      // A new message with the number of this one would overwrite its outcome.
      logs.skipTo('inbox', pendingOrderOf(key));
    }
  }

  /** Whether nothing of this identity is even opened. */
  isBlocked(aid: Uint8Array): boolean {
    return this.#states.get(toHex(aid)) === 'blocked';
  }

  /** Whether messages of anybody may be held back: without a row there is nothing to look up. */
  get #mayHold(): boolean {
    return this.#states.size > 0 || this.#parts.context.policy.acceptFrom === 'ask';
  }

  /**
   * Writes what a message of a peer leaves that may not reach the handlers; null if it may. Its
   * sender is told: `held`, or refused where no more is kept for it.
   */
  async stage(tx: StoreTransaction, received: Received, row: InboxRow): Promise<HeldBack | null> {
    const joining = await this.#parts.invites.redeem(tx, received);
    if (joining !== null) {
      this.#owe(tx, this.#nextOrder(), row, joining);
      return joining.state === 'handled' ? 'joined' : 'held';
    }
    if (!this.#mayHold) return null;
    const { aid } = received.peer.identity;
    const found = await tx.get(ROW.contact(aid));
    if (found === null) return null;
    const contact = decodeContact(found);
    if (received.repeated || received.body.kind !== 'application') return 'held';
    const order = this.#nextOrder();
    const ending = contact.state === 'pending' ? hold(tx, { contact, order, row }) : REFUSED;
    this.#owe(tx, order, row, ending);
    return ending === HELD && contact.messages === 0 ? 'request' : 'held';
  }

  #nextOrder(): number {
    return orderOf(this.#parts.context.logs.nextKey('inbox'));
  }

  #owe(tx: StoreTransaction, order: number, row: InboxRow, ending: Ending): void {
    for (const owed of this.#parts.owed.rowsOf(ROW.log('inbox', order), row, ending))
      tx.write(owed);
  }

  /** That was committed: its sender is told, and whoever decides. */
  heldBack({ peer }: Received, row: InboxRow, held: HeldBack): void {
    const { context, owed } = this.#parts;
    const { aid } = peer.identity;
    const address = addressOf(aid);
    const fingerprint = fingerprintOfPeer(peer);
    owed.outcomesDue(aid);
    if (held === 'joined') {
      // What it said before it joined reaches the handlers too.
      void this.accept(peer).catch((error: unknown) => context.store.fail(error));
      return context.events.emit('joined', { peer: peer.name, address, fingerprint });
    }
    if (!this.#states.has(toHex(aid)) && this.#mayHold) {
      this.#states.set(toHex(aid), 'pending');
      this.#bound();
    }
    if (held !== 'request') return;
    const preview = this.preview(row);
    context.events.emit('contactRequest', { peer: peer.name, address, fingerprint, preview });
  }

  /** Fenced text of a message that waits. */
  preview(row: InboxRow): string {
    const never = new AbortController().signal;
    return this.#parts
      .read(row, { redelivered: false }, never)
      .toPrompt({ maxBytes: AGENT_LIMITS.previewBytes });
  }

  /** The oldest stranger gives way: all that was kept of it is forgotten. */
  #bound(): void {
    const pending = [...this.#states].filter(([, state]) => state === 'pending');
    const beyond = pending.slice(0, Math.max(0, pending.length - AGENT_LIMITS.pendingStrangers));
    for (const [aid] of beyond) {
      this.#states.delete(aid);
      this.forget(aidOfKey(`/${aid}`)).catch((error: unknown) => {
        this.#parts.context.log.warn('stranger not forgotten', { error: nameOf(error) });
      });
    }
  }

  /** The peer may reach the handlers: what it has said goes there, in its order. */
  async accept(peer: Peer): Promise<void> {
    const { context, dispatcher, strangers } = this.#parts;
    const { aid } = peer.identity;
    await strangers.confirm(aid);
    await context.peers.run(toHex(aid), async () => {
      const tx = context.transaction();
      const revived: { readonly key: string; readonly row: InboxRow }[] = [];
      for (const each of [...peer.formerly, aid]) {
        for await (const { key, value } of rowsUnder(context.store, pendingOf(each))) {
          const inboxKey = context.logs.nextKey('inbox');
          const row = decodeInboxRow(value);
          tx.delete(key);
          tx.put(inboxKey, value);
          revived.push({ key: inboxKey, row });
        }
        tx.delete(ROW.contact(each));
      }
      await tx.commit();
      for (const each of [...peer.formerly, aid]) this.#states.delete(toHex(each));
      for (const { key, row } of revived) dispatcher.again(key, row);
    });
  }

  /** What the peer has said is refused, and what it says from now on; `blocked`: without a word. */
  async deny(peer: Peer, state: 'denied' | 'blocked'): Promise<void> {
    const { context, owed } = this.#parts;
    const { aid } = peer.identity;
    await context.peers.run(toHex(aid), async () => {
      const tx = context.transaction();
      const present = await loadPeer(tx, aid);
      if (present === null) return;
      for await (const { key, value } of rowsUnder(context.store, pendingOf(aid))) {
        const row = decodeInboxRow(value);
        tx.delete(key);
        if (state === 'blocked') continue;
        // Held was said before, or is not said any more.
        const inboxKey = ROW.log('inbox', pendingOrderOf(key));
        for (const told of owed.rowsOf(inboxKey, row, REFUSED)) tx.write(told);
      }
      tx.put(ROW.contact(aid), encodeContact(contactRow(state, context.runtime.now())));
      await tx.commit();
      this.#states.set(toHex(aid), state);
      if (state === 'denied') owed.outcomesDue(aid);
    });
  }

  /**
   * All that was kept of a peer and of the identities before it goes: its next message is that of a
   * stranger.
   */
  async forget(aid: Uint8Array): Promise<void> {
    const formerly = await this.#forgetOne(aid);
    for (const each of formerly) await this.#forgetOne(each);
  }

  async #forgetOne(aid: Uint8Array): Promise<readonly Uint8Array[]> {
    const { context, strangers, onForgotten } = this.#parts;
    return context.peers.run(toHex(aid), async () => {
      const peer = await loadPeer(context.transaction(), aid);
      if (peer !== null) {
        // One after the other: they share a row.
        await this.#forgetting.run('', async () => {
          const tx = context.transaction();
          await forgetPeer(context.store, tx, peer);
          await tx.commit();
        });
      }
      this.#states.delete(toHex(aid));
      strangers.forgotten(aid);
      onForgotten(aid);
      return peer?.formerly ?? [];
    });
  }

  /** A stranger gives way to newcomers, unless somebody has confirmed it meanwhile. */
  async forgetStranger(aid: Uint8Array): Promise<void> {
    const { store } = this.#parts.context;
    if ((await store.get(ROW.stranger(aid))) === null) this.#parts.strangers.forgotten(aid);
    else await this.forget(aid);
  }

  /** It is answered, which does not make it more than a stranger. */
  async answeredTo(aid: Uint8Array): Promise<void> {
    this.#parts.strangers.answered(aid);
    await this.#acceptWaiting(aid);
  }

  /** Whoever writes to a stranger on his own has accepted it. */
  async writtenTo(aid: Uint8Array): Promise<void> {
    await this.#parts.strangers.confirm(aid);
    await this.#acceptWaiting(aid);
  }

  async #acceptWaiting(aid: Uint8Array): Promise<void> {
    if (this.#states.get(toHex(aid)) !== 'pending') return;
    const peer = await loadPeer(this.#parts.context.transaction(), aid);
    if (peer !== null) await this.accept(peer);
  }

  /**
   * State of each peer that may not reach the handlers, by address: as it is stored, which a peer
   * that is known has from its first row on.
   */
  async states(): Promise<ReadonlyMap<string, ContactState>> {
    const states = new Map<string, ContactState>();
    for await (const { key, value } of rowsUnder(this.#parts.context.store, 'contact')) {
      states.set(addressOf(aidOfKey(key)), decodeContact(value).state);
    }
    return states;
  }

  /** What a peer that waits has said, oldest first. */
  async heldOf(
    address: string,
  ): Promise<{ readonly rows: readonly InboxRow[]; readonly sinceMs: number }> {
    const aid = aidOfAddress(address);
    const { store } = this.#parts.context;
    const contact = await store.get(ROW.contact(aid));
    const rows: InboxRow[] = [];
    for await (const { value } of rowsUnder(store, pendingOf(aid)))
      rows.push(decodeInboxRow(value));
    return { rows, sinceMs: contact === null ? 0 : decodeContact(contact).sinceMs };
  }
}

/** Stores a message aside, if there is room for one more of its sender. */
function hold(
  tx: StoreTransaction,
  held: { readonly contact: ContactRow; readonly order: number; readonly row: InboxRow },
): Ending {
  const { contact, order, row } = held;
  const messages = contact.messages + 1;
  const bytes = contact.bytes + row.content.length;
  if (messages > AGENT_LIMITS.pendingMessages || bytes > AGENT_LIMITS.pendingBytes) return FULL;
  tx.put(ROW.pending(row.from, order), encodeInboxRow(row));
  tx.put(ROW.contact(row.from), encodeContact({ ...contact, messages, bytes }));
  return HELD;
}
