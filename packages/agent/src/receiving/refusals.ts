/**
 * What becomes of a delivery that was refused (protocol.md §2.8, §2.10): put off, dropped with an
 * entry in the security log, or answered with a new session. Owns this decision and how it is told;
 * what is refused is `judge`'s.
 */
import { addressOf, AgentMeshError, equalBytes, parseMessage, toHex } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type { Delivery } from '@agentmesh/protocol';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { loadPeer } from '../conversation/handshake.js';
import type { Incoming } from '../conversation/judge.js';
import { encodePeer } from '../conversation/peer.js';
import { isOutOfStep } from '../conversation/recovery.js';
import { IdentityChangedError, InstanceHeldError, StorageError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { Repairs } from '../owed/repairs.js';
import type { StoreAges } from '../owed/store-ages.js';
import type { HandshakeBudget } from '../peers/handshake-budget.js';
import type { Introductions } from '../peers/introductions.js';
import { ROW } from '../store/row-keys.js';
import { wasTaken } from './arrivals.js';
import type { Arrival } from './arrivals.js';
import { logRefusal } from './security-log.js';

/** What becomes of a refused delivery: forgotten by the hub, put off, or repaired first. */
type Disposition =
  | { readonly what: 'drop' }
  | { readonly what: 'put off'; readonly waitMs: number; readonly maxMs?: number }
  | { readonly what: 'repair' };

type Wait = Pick<Extract<Disposition, { what: 'put off' }>, 'waitMs' | 'maxMs'>;

/** The hub could not be asked at this moment. */
const SOON = {
  what: 'put off',
  waitMs: AGENT_LIMITS.soonNackMs,
  maxMs: AGENT_LIMITS.soonNackMaxMs,
} as const;

interface RefusalParts {
  readonly context: AgentContext;
  readonly introductions: Introductions;
  readonly repairs: Repairs;
  readonly storeAges: StoreAges;
  readonly budget: HandshakeBudget;
}

/** Decides about the refused deliveries of one agent. */
export class Refusals {
  readonly #parts: RefusalParts;

  /** Ids of the last envelopes that were taken, in hex. */
  readonly #taken = new Set<string>();

  constructor(parts: RefusalParts) {
    this.#parts = parts;
  }

  /** An envelope was taken: a hub that was killed does not know that it delivers it again. */
  taken(envelopeId: Uint8Array): void {
    this.#taken.add(toHex(envelopeId));
    if (this.#taken.size <= AGENT_LIMITS.heardPlaces) return;
    const [oldest = ''] = this.#taken;
    this.#taken.delete(oldest);
  }

  /** Decides about a refused delivery; throws when even that could not be stored. */
  async refuse(arrival: Arrival, error: unknown): Promise<void> {
    const { context } = this.#parts;
    const { delivery } = arrival;
    if (error instanceof StorageError) {
      // Not acknowledged: the message is not lost, the store is what has to be repaired.
      context.store.fail(error);
      return;
    }
    if (!(error instanceof AgentMeshError)) {
      context.log.error('delivery failed', { error: nameOf(error) });
      return this.#putOff(arrival, 'INTERNAL', { waitMs: AGENT_LIMITS.busyNackMs });
    }
    const { envelope } = delivery;
    const disposition = await this.#dispositionOf(error, envelope);
    if (disposition.what === 'put off') {
      return this.#putOff(arrival, error.code, disposition);
    }
    if (disposition.what === 'drop') return this.#drop(arrival, error.code, null);
    const repaired = await this.#repair(envelope.from);
    if (repaired === 'later') this.#putOff(arrival, error.code, SOON);
    else await this.#drop(arrival, error.code, repaired);
  }

  /** The hub keeps it and tries again, each time after twice the wait; or when it is its turn. */
  #putOff({ delivery, line }: Arrival, code: string, wait: Wait): void {
    const { waitMs, maxMs = AGENT_LIMITS.nackMaxMs } = wait;
    const { seq, attempt, envelope } = delivery;
    const { budget, context } = this.#parts;
    const delayMs =
      code === 'HANDSHAKE_BUDGET'
        ? Math.ceil(budget.waitMs(envelope.from, context.waits()))
        : Math.min(waitMs * 2 ** (attempt - 1), maxMs);
    line.nack({ seq, delayMs, reason: code });
    context.log.debug('message put off', { address: addressOf(envelope.from), code, delayMs });
    line.giveBack(envelope.blob.length);
  }

  /** Logged, then forgotten by the hub. `reset`: null when no new session was asked for. */
  async #drop({ delivery, line }: Arrival, code: string, reset: boolean | null): Promise<void> {
    const { context } = this.#parts;
    const { seq, attempt, envelope } = delivery;
    const { from, id: envelopeId, blob } = envelope;
    const address = addressOf(from);
    if (code === 'DUPLICATE' && (await this.#wasTaken(delivery))) {
      // The acknowledgement was lost with its connection: all is well.
      line.ack(seq);
      line.giveBack(blob.length);
      return context.log.debug('delivered again', { address, attempt });
    }
    if (code === 'PEER_BLOCKED') {
      // A decision of this side, and no news: neither the sender nor the log hears of it.
      line.ack(seq);
      return line.giveBack(blob.length);
    }
    const tx = context.transaction();
    const atMs = context.runtime.now();
    logRefusal(tx, context.logs.nextKey('security'), { atMs, code, from, envelopeId });
    await tx.commit();
    line.ack(seq);
    line.giveBack(blob.length);
    context.log.warn('message refused', { address, code, reset });
    if (reset === null) context.events.emit('refused', { address, code });
    else context.events.emit('undecryptable', { address, code, reset });
  }

  /**
   * Whether a repetition is one of a message that is here. One that was put off is not: where its
   * session was dropped meanwhile nobody can read it any more.
   */
  async #wasTaken({ attempt, envelope }: Delivery): Promise<boolean> {
    if (this.#taken.has(toHex(envelope.id))) return true;
    if (await wasTaken(this.#parts.context.store, envelope)) return true;
    if (attempt === 1) return false;
    const { sid } = parseMessage(envelope.blob);
    return (await this.#parts.context.store.get(ROW.session(sid))) !== null;
  }

  /** Whether a new session was begun; `later` when the hub could not be asked now. */
  async #repair(from: Uint8Array): Promise<boolean | 'later'> {
    try {
      return await this.#parts.repairs.repair(from);
    } catch (error) {
      if (error instanceof StorageError || !(error instanceof AgentMeshError)) throw error;
      void this.block(error);
      return error.retryable ? 'later' : false;
    }
  }

  async #dispositionOf(error: AgentMeshError, incoming: Incoming): Promise<Disposition> {
    const { busyNackMs, heldNackMs } = AGENT_LIMITS;
    switch (error.code) {
      case 'UNKNOWN_SESSION':
      case 'UNKNOWN_PREKEY':
      // More is missing than a session steps over: a new one, and all of it again.
      case 'TOO_FAR':
        return { what: 'repair' };
      case 'BAD_HEADER':
        return { what: (await this.#isOutOfStep(incoming)) ? 'repair' : 'drop' };
      case 'IDENTITY_CHANGED':
        // Not awaited: the peer to be blocked may be the one whose lock is held here.
        void this.block(error);
        return { what: 'put off', waitMs: heldNackMs };
      case 'INSTANCE_HELD':
      case 'CLONE_OR_ROLLBACK':
        await this.#hold(error, incoming.from);
        return { what: 'put off', waitMs: heldNackMs };
      case 'INVALID_ARGUMENT':
      case 'NOT_READY':
        // Not the message's fault: nothing is judged, nothing acknowledged.
        return { what: 'put off', waitMs: busyNackMs };
      default:
        if (!error.retryable) return { what: 'drop' };
        // How often it was delivered says nothing here: most of that were lost connections.
        if (error instanceof ProtocolError || error.code === 'NO_PREKEYS') return SOON;
        return { what: 'put off', waitMs: busyNackMs };
    }
  }

  async #isOutOfStep({ from, blob }: Incoming): Promise<boolean> {
    const { context } = this.#parts;
    const peer = await loadPeer(context.transaction(), from);
    return peer !== null && isOutOfStep(peer, blob, context.self.meta.epoch);
  }

  /** Remembers that a person has to decide, and tells it. The peer's lock is held. */
  async #hold(error: AgentMeshError, from: Uint8Array): Promise<void> {
    const { context } = this.#parts;
    const tx = context.transaction();
    const peer = await loadPeer(tx, from);
    if (peer === null) return;
    if (!(error instanceof InstanceHeldError)) {
      const address = addressOf(from);
      return context.events.emit('cloneOrRollback', { peer: peer.name, address });
    }
    if (peer.heldInstance !== null && equalBytes(peer.heldInstance, error.instance)) return;
    tx.put(ROW.peer(from), encodePeer({ ...peer, heldInstance: error.instance }));
    await tx.commit();
    this.#parts.storeAges.peerChanged(peer, true);
  }

  /** A name shows another identity: its pinned peer is blocked, or followed. */
  async block(error: unknown): Promise<void> {
    if (!(error instanceof IdentityChangedError)) return;
    const { context, introductions } = this.#parts;
    try {
      await introductions.decide(error);
    } catch (failure) {
      // The store says so itself; an agent that is being closed blocks nobody any more.
      context.log.warn('peer not blocked', { error: nameOf(failure) });
    }
  }
}
