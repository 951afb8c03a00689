/**
 * Takes what comes in: one message at a time for each sender, judged by `receive`, committed, then
 * acknowledged, then told (protocol.md §2.8 step 12, §2.11 P2). Owns what becomes of refusals and
 * what follows from a message; handlers are `dispatcher`'s.
 */
import { addressOf, AgentMeshError, CryptoError, equalBytes, toHex } from '@agentmesh/crypto';
import type { Revocation } from '@agentmesh/crypto';
import type { Delivery } from '@agentmesh/protocol';
import { nameOf } from '../agent-context.js';
import { Arrivals, Batch, inboxRowOf, lineOf } from './arrivals.js';
import type { Accepted, Arrival } from './arrivals.js';
import type { AgentContext } from '../agent-context.js';
import type { Deliveries } from '../sending/deliveries.js';
import type { Dispatcher } from './dispatcher.js';
import {
  AgentError,
  IdentityChangedError,
  InstanceHeldError,
  StorageError,
} from '../ground/errors.js';
import type { Owed } from '../owed/owed.js';
import { loadPeer } from '../conversation/handshake.js';
import type { HandshakeBudget } from '../peers/handshake-budget.js';
import { SkipBudget } from '../peers/skip-budget.js';
import { HeardPlaces } from '../conversation/heard-positions.js';
import type { IdentityConnection } from '../hub/identity-connection.js';
import { KeyedMutex } from '../ground/keyed-mutex.js';
import type { InboxRow } from '../message/inbox.js';
import type { Introductions } from '../peers/introductions.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { encodePeer } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import type { Publisher } from '../keys/publisher.js';
import { prekeyNamedIn, receive } from '../conversation/judge.js';
import type { Incoming, Received } from '../conversation/judge.js';
import { isOutOfStep } from '../conversation/recovery.js';
import type { Repairs } from '../owed/repairs.js';
import type { StoreAges } from '../owed/store-ages.js';
import type { Revocations } from '../peers/revocations.js';
import { ROW } from '../store/row-keys.js';
import { logRefusal } from './security-log.js';
import type { StoreTransaction } from '../store/store-transaction.js';

/** What the receiver works with. */
export interface ReceiverParts {
  readonly context: AgentContext;
  readonly introductions: Introductions;
  readonly deliveries: Deliveries;
  readonly dispatcher: Dispatcher;
  readonly publisher: Publisher;
  readonly revocations: Revocations;
  readonly budget: HandshakeBudget;
  readonly repairs: Repairs;
  readonly owed: Owed;
  readonly storeAges: StoreAges;
}

/** What becomes of a refused delivery: forgotten by the hub, put off, or repaired first. */
type Disposition =
  | { readonly what: 'drop' }
  | { readonly what: 'put off'; readonly waitMs: number }
  | { readonly what: 'repair' };

/** The ear of one agent. */
export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #prekeys = new KeyedMutex();
  readonly #places = new HeardPlaces();
  readonly #skips = new SkipBudget();
  readonly #arrivals: Arrivals;
  #stopped = false;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    this.#arrivals = new Arrivals(parts.context.peers, (group) => this.#takeAll(group));
  }

  /** Takes nothing more; what was begun is completed. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * A delivery of the hub: it is acknowledged on its connection once it is committed, or put off. Never
   * throws.
   */
  deliver(delivery: Delivery, connection: IdentityConnection): void {
    if (this.#stopped) return;
    this.#arrivals.add({ delivery, connection });
  }

  /** An envelope that came by hand: its message, for the caller alone. Throws the refusal. */
  async open(incoming: Incoming): Promise<InboxRow> {
    const { context } = this.#parts;
    try {
      return await context.peers.run(toHex(incoming.from), async () => {
        const received = await this.#alone(incoming, async () => {
          const tx = context.transaction();
          const judged = await this.#judge(tx, incoming);
          await tx.commit();
          return judged;
        });
        this.#follow(received);
        if (received.repeated) throw new CryptoError('DUPLICATE');
        if (received.body.kind !== 'application') throw new AgentError('NO_PAYLOAD');
        return inboxRowOf(received);
      });
    } catch (error) {
      await this.#block(error);
      throw error;
    } finally {
      this.#parts.introductions.release(incoming.from);
    }
  }

  /** What has come from one sender, in order, with one commit for as much of it as can share it. */
  async #takeAll(group: readonly Arrival[]): Promise<void> {
    let batch = new Batch(this.#parts.context.transaction());
    for (const arrival of group) {
      // What begins a session is judged when all before it is done, and done before all after it.
      const isFirst = prekeyNamedIn(arrival.delivery.envelope.blob) !== null;
      if (isFirst) batch = await this.#finish(batch);
      batch = await this.#take(batch, arrival);
      if (isFirst) batch = await this.#finish(batch);
    }
    await this.#finish(batch);
  }

  /** The batch that goes on. */
  async #take(batch: Batch, arrival: Arrival): Promise<Batch> {
    const { context, introductions } = this.#parts;
    if (this.#stopped || context.store.failure !== null) return batch;
    try {
      batch.accepted.push(await this.#accept(batch, arrival));
      return batch;
    } catch (error) {
      // Behind others it is judged again when they are done: a refusal never depends on a batch.
      if (batch.accepted.length > 0) return await this.#take(await this.#finish(batch), arrival);
      await this.#refuse(arrival, error).catch((failure: unknown) => {
        // Not even the refusal could be written: the hub delivers again.
        context.log.error('delivery not taken', { error: nameOf(failure) });
      });
      return batch;
    } finally {
      introductions.release(arrival.delivery.envelope.from);
    }
  }

  /** Steps 1 to 11 for one delivery: its part of the batch, or a refusal that leaves nothing. */
  async #accept({ tx }: Batch, arrival: Arrival): Promise<Accepted> {
    const { dispatcher } = this.#parts;
    const incoming: Incoming = arrival.delivery.envelope;
    return this.#alone(incoming, async () => {
      const part = tx.nested();
      const received = await this.#judge(part, incoming);
      const row = inboxRowOf(received);
      const key = dispatcher.stage(part, received, row);
      await part.commit();
      return { arrival, received, row, key };
    });
  }

  /** Step 12: committed, then acknowledged, then told. Gives an empty batch to go on with. */
  async #finish({ tx, accepted }: Batch): Promise<Batch> {
    try {
      await tx.commit();
      for (const one of accepted) this.#tell(one);
    } catch (error) {
      // Not acknowledged: no message is lost, the store is what has to be repaired.
      this.#parts.context.store.fail(error);
    }
    return new Batch(this.#parts.context.transaction());
  }

  #tell({ arrival, received, row, key }: Accepted): void {
    const { connection, delivery } = arrival;
    connection.ack(delivery.seq);
    // It is durable here: how long handlers take is no concern of the hub's.
    connection.giveBack(delivery.envelope.blob.length);
    if (key !== null) {
      const place = { line: lineOf(received), number: received.content.convSeq };
      this.#parts.dispatcher.add({ key, row, place, redelivered: false });
    }
    this.#follow(received);
  }

  /**
   * Two peers may show the same one-time prekey, if a hub hands it out twice: the second message is
   * judged after the first one's commit, which has deleted it.
   */
  #alone<T>({ blob }: Incoming, task: () => Promise<T>): Promise<T> {
    const prekey = prekeyNamedIn(blob);
    return prekey === null ? task() : this.#prekeys.run(prekey, task);
  }

  async #judge(tx: StoreTransaction, incoming: Incoming): Promise<Received> {
    const { context, deliveries, introductions, budget } = this.#parts;
    const me = context.self.authorFor(incoming.to);
    if (me === null) throw new AgentError('MISADDRESSED');
    return receive(
      {
        tx,
        me,
        policy: context.policy,
        isOurs: (aid) => context.self.isOurs(aid),
        mayHandshake: (aid) => budget.take(aid, me.nowMs),
        skips: {
          left: (aid) => this.#skips.left(aid, me.nowMs),
          spend: (aid, steps) => this.#skips.spend(aid, steps, me.nowMs),
        },
        isTaken: (place) => this.#places.isTaken(place),
        introduce: (name, aid) => introductions.meetSender(tx, name, aid),
        isAwaited: (aid, epoch, number) => deliveries.isAwaited(aid, epoch, number),
      },
      incoming,
    );
  }

  /** What an authentic, committed message brings about. */
  #follow(received: Received): void {
    const { context, deliveries, dispatcher, owed, introductions, publisher } = this.#parts;
    const { peer, body, lost, droppedKeys, epoch } = received;
    const { aid } = peer.identity;
    this.#places.add(received.place);
    deliveries.acknowledged(aid, epoch, received.acknowledged);
    for (const { number, id } of received.acknowledgedEarlier) {
      deliveries.acknowledgedEarlier({ aid, peer: peer.name, epoch, number, id });
    }
    if (body.kind === 'outcome' && !received.repeated) {
      const told = [aid, ...peer.formerly];
      for (const outcome of body.outcomes) deliveries.ended(told, peer.name, outcome);
    }
    if (received.isNew) introductions.met({ ...peer, trust: received.trust });
    if (received.instanceChanged) this.#parts.storeAges.peerChanged(peer, false);
    if (received.wentBack !== null) this.#parts.storeAges.wentBack(received.wentBack, peer);
    const { name } = peer;
    if (lost.length > 0) context.events.emit('gap', { peer: name, state: 'lost', ranges: lost });
    if (droppedKeys > 0) {
      context.log.warn('message keys dropped', { peer: peer.name, droppedKeys });
      context.events.emit('keysDropped', { peer: peer.name, count: droppedKeys });
    }
    if (received.prekeys !== null) publisher.used(received.prekeys);
    dispatcher.answerUnsupported(received);
    dispatcher.advance(aid, lineOf(received), received.mark);
    if (body.kind === 'revocation') this.#revoked(body.revocation, peer);
    if (!dispatcher.isPuttingOff(aid)) owed.after(peer);
    // Numbers of a former identity are not said again: he asks for what the present one said.
    const isPresent = epoch === context.self.meta.numbersSince;
    if (body.kind === 'retry' && !received.repeated && isPresent) {
      owed.answerRetry(aid, body.ranges);
    }
  }

  /** Decides about a refused delivery; throws when even that could not be stored. */
  async #refuse(arrival: Arrival, error: unknown): Promise<void> {
    const { context } = this.#parts;
    const { delivery } = arrival;
    if (error instanceof StorageError) {
      // Not acknowledged: the message is not lost, the store is what has to be repaired.
      context.store.fail(error);
      return;
    }
    if (!(error instanceof AgentMeshError)) {
      context.log.error('delivery failed', { error: nameOf(error) });
      return this.#putOff(arrival, 'INTERNAL', AGENT_LIMITS.busyNackMs);
    }
    const { envelope } = delivery;
    const disposition = await this.#dispositionOf(error, envelope);
    if (disposition.what === 'put off') {
      return this.#putOff(arrival, error.code, disposition.waitMs);
    }
    if (disposition.what === 'drop') return this.#drop(arrival, error.code, null);
    const repaired = await this.#repair(envelope.from);
    if (repaired === 'later') this.#putOff(arrival, error.code, AGENT_LIMITS.busyNackMs);
    else await this.#drop(arrival, error.code, repaired);
  }

  /** The hub keeps it and tries again, each time after twice the wait. */
  #putOff({ delivery, connection }: Arrival, code: string, waitMs: number): void {
    const { seq, attempt, envelope } = delivery;
    const delayMs = Math.min(waitMs * 2 ** (attempt - 1), AGENT_LIMITS.nackMaxMs);
    connection.nack({ seq, delayMs, reason: code });
    connection.giveBack(envelope.blob.length);
  }

  /** Logged, then forgotten by the hub. `reset`: null when no new session was asked for. */
  async #drop(
    { delivery: { seq, attempt, envelope }, connection }: Arrival,
    code: string,
    reset: boolean | null,
  ): Promise<void> {
    const { context } = this.#parts;
    const { from, id: envelopeId, blob } = envelope;
    const address = addressOf(from);
    if (code === 'DUPLICATE' && attempt > 1) {
      // Taken before, and the acknowledgement was lost with its connection: all is well.
      connection.ack(seq);
      connection.giveBack(blob.length);
      return context.log.debug('delivered again', { address, attempt });
    }
    const tx = context.transaction();
    const atMs = context.runtime.now();
    logRefusal(tx, context.logs.nextKey('security'), { atMs, code, from, envelopeId });
    await tx.commit();
    connection.ack(seq);
    connection.giveBack(blob.length);
    context.log.warn('message refused', { address, code, reset });
    if (reset === null) context.events.emit('refused', { address, code });
    else context.events.emit('undecryptable', { address, code, reset });
  }

  /** Whether a new session was begun; `later` when the hub could not be asked now. */
  async #repair(from: Uint8Array): Promise<boolean | 'later'> {
    try {
      return await this.#parts.repairs.repair(from);
    } catch (error) {
      if (error instanceof StorageError || !(error instanceof AgentMeshError)) throw error;
      void this.#block(error);
      return error.retryable ? 'later' : false;
    }
  }

  async #dispositionOf(error: AgentMeshError, incoming: Incoming): Promise<Disposition> {
    const { busyNackMs, heldNackMs } = AGENT_LIMITS;
    switch (error.code) {
      case 'UNKNOWN_SESSION':
      case 'UNKNOWN_PREKEY':
        return { what: 'repair' };
      case 'BAD_HEADER':
        return { what: (await this.#isOutOfStep(incoming)) ? 'repair' : 'drop' };
      case 'IDENTITY_CHANGED':
        // Not awaited: the peer to be blocked may be the one whose lock is held here.
        void this.#block(error);
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
        return error.retryable ? { what: 'put off', waitMs: busyNackMs } : { what: 'drop' };
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

  /** A peer shows a revocation: his own, ours, or that of an identity that is known here. */
  #revoked(revocation: Revocation, { identity }: Peer): void {
    const { context, revocations } = this.#parts;
    const own = [identity, context.self.keyPair.identity].find(({ aid }) =>
      equalBytes(aid, revocation.aid),
    );
    const known = own ?? loadPeer(context.transaction(), revocation.aid);
    const learn = async (): Promise<void> => {
      const peer = await known;
      const whose = peer === null || 'aid' in peer ? peer : peer.identity;
      if (whose !== null) await revocations.learn(revocation, whose);
    };
    learn().catch((error: unknown) => {
      // The store says so itself.
      context.log.warn('revocation not kept', { error: nameOf(error) });
    });
  }

  async #block(error: unknown): Promise<void> {
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
