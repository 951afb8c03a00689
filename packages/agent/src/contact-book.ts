/**
 * `agent.contacts`: who may reach the handlers, for people and their programs. Owns the public
 * calls and their checks; the rows and decisions are `receiving/contacts`'.
 */
import type { ContactState } from './conversation/contact.js';
import type { Peer } from './conversation/peer.js';
import { parseReference } from './conversation/trust.js';
import { knownPeers } from './engine/status.js';
import type { PeerInfo } from './engine/status.js';
import type { Engine } from './engine/engine.js';
import { AgentError } from './ground/errors.js';

/** A peer, and whether it may reach the handlers. */
export interface Contact extends PeerInfo {
  readonly state: 'accepted' | ContactState;
}

/** A stranger that waits for a decision. */
export interface ContactRequest extends Contact {
  /** When it first wrote, by our clock, in milliseconds since the epoch. */
  readonly sinceMs: number;
  /** Its messages that wait, at most 3. */
  readonly messages: number;
  /** The first of them, fenced for a model or a person; null if none is stored. */
  readonly preview: string | null;
}

/** The contacts of one agent. Peers are named as in `send`. */
export class ContactBook {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Every peer that is known here. */
  async list(): Promise<Contact[]> {
    const { context, contacts } = this.#engine;
    context.assertRunning();
    // In this order: whoever is known has its state stored already.
    const known = await knownPeers(context);
    const states = await contacts.states();
    return known.map((info) => ({ ...info, state: states.get(info.address) ?? 'accepted' }));
  }

  /** Strangers that wait for a decision, the one that waits longest first. */
  async pending(): Promise<ContactRequest[]> {
    const { contacts } = this.#engine;
    const waiting = (await this.list()).filter(({ state }) => state === 'pending');
    const requests = waiting.map(async (contact): Promise<ContactRequest> => {
      const { rows, sinceMs } = await contacts.heldOf(contact.address);
      const [first] = rows;
      const preview = first === undefined ? null : contacts.preview(first);
      return { ...contact, sinceMs, messages: rows.length, preview };
    });
    return (await Promise.all(requests)).toSorted((a, b) => a.sinceMs - b.sinceMs);
  }

  /** What this peer has said reaches the handlers, and what it says from now on. UNKNOWN_PEER. */
  async accept(peer: string): Promise<void> {
    await this.#engine.contacts.accept(await this.#find(peer));
  }

  /**
   * What this peer has said is refused, and what it says from now on; it is told so. With `block`
   * its messages are dropped unread, and it is told nothing. UNKNOWN_PEER.
   */
  async deny(peer: string, options: { readonly block?: boolean | undefined } = {}): Promise<void> {
    const state = options.block === true ? 'blocked' : 'denied';
    await this.#engine.contacts.deny(await this.#find(peer), state);
  }

  /** `deny` with `block`. */
  block(peer: string): Promise<void> {
    return this.deny(peer, { block: true });
  }

  /**
   * Forgets all that is known of this peer: its pin, its sessions, its messages that wait. Its next
   * message is that of a stranger. UNKNOWN_PEER.
   */
  async forget(peer: string): Promise<void> {
    const { identity } = await this.#find(peer);
    await this.#engine.contacts.forget(identity.aid);
  }

  async #find(peer: string): Promise<Peer> {
    const { context, introductions } = this.#engine;
    context.assertRunning();
    const found = await introductions.find(parseReference(peer));
    if (found === null) throw new AgentError('UNKNOWN_PEER');
    return found;
  }
}
