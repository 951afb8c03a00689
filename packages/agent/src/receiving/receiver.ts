/**
 * Takes what comes in: one message at a time for each sender, judged, committed, then acknowledged,
 * then told (protocol.md §2.8 step 12, §2.11 P2). Owns this order; what becomes of a refused
 * delivery is `refusals`', what follows from a message `consequences`'.
 */
import { AgentMeshError, CryptoError, parseMessage, toHex } from '@agentmesh/crypto';
import type { Delivery } from '@agentmesh/protocol';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { HeardPositions } from '../conversation/heard-positions.js';
import type { SaidBefore } from '../conversation/former-talk.js';
import { judge, prekeyNamedIn } from '../conversation/judge.js';
import type { Incoming, Received } from '../conversation/judge.js';
import { AgentError } from '../ground/errors.js';
import { KeyedMutex } from '../ground/keyed-mutex.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { toldIn } from '../handling/waiting-messages.js';
import type { WaitingMessages } from '../handling/waiting-messages.js';
import type { DeliveryLine } from '../hub/identity-connection.js';
import type { InboxRow } from '../message/inbox.js';
import type { HandshakeBudget } from '../peers/handshake-budget.js';
import type { Introductions } from '../peers/introductions.js';
import { SkipBudget } from '../peers/skip-budget.js';
import type { Deliveries } from '../sending/deliveries.js';
import { toldWith } from '../sending/told.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { Arrivals, Batch, inboxRowOf, positionOf, takenWith } from './arrivals.js';
import type { Accepted, Arrival, Earlier } from './arrivals.js';
import { Backlog } from './backlog.js';
import type { Consequences } from './consequences.js';
import type { Contacts } from './contacts.js';
import type { Dispatcher } from './dispatcher.js';
import { hasItsTurn } from './intake.js';
import type { Intake } from './intake.js';
import type { Refusals } from './refusals.js';
import { unfold } from './said-before.js';

/** What the receiver works with. */
interface ReceiverParts {
  readonly context: AgentContext;
  readonly introductions: Introductions;
  readonly deliveries: Deliveries;
  readonly dispatcher: Dispatcher;
  readonly intake: Intake;
  readonly contacts: Contacts;
  readonly budget: HandshakeBudget;
  readonly refusals: Refusals;
  readonly consequences: Consequences;
  readonly waiting: WaitingMessages;
}

/** Receives for one agent. */
export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #prekeys = new KeyedMutex();
  readonly #positions = new HeardPositions();
  readonly #skips = new SkipBudget();
  readonly #arrivals: Arrivals;
  readonly #backlog: Backlog;
  #stopped = false;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
    this.#arrivals = new Arrivals(parts.context.peers, (group) => this.#takeAll(group));
    this.#backlog = new Backlog({
      ...parts,
      opens: async (tx, { delivery: { envelope } }) => {
        // A new session is begun where it is taken, and nowhere else.
        const isKnown = (await tx.get(ROW.session(parseMessage(envelope.blob).sid))) !== null;
        return isKnown && hasItsTurn(await this.#judge(tx, envelope));
      },
      release: (arrival) => this.#arrivals.add(arrival),
      putOff: (arrival) => void this.#refuse(arrival, new AgentError('INBOX_FULL')),
    });
  }

  /** Takes nothing more; what was begun is completed. */
  stop(): void {
    this.#stopped = true;
    this.#backlog.stop();
  }

  /**
   * A delivery of the hub: it is acknowledged on its connection once it is committed, or put off.
   * Never throws.
   */
  deliver(delivery: Delivery, line: DeliveryLine): void {
    if (this.#stopped) return;
    this.#arrivals.add({ delivery, line });
  }

  /** Whether messages of this sender wait here for room, or were put off: they are not missing. */
  isComing(from: Uint8Array): boolean {
    return this.#backlog.has(from) || this.#parts.dispatcher.isPuttingOff(from);
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
        return inboxRowOf(received, context.runtime.now());
      });
    } catch (error) {
      await this.#parts.refusals.block(error);
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
      if (!isFirst) continue;
      batch = await this.#finish(batch);
      // Not before it is committed: until then nobody else sees whose the name is.
      this.#parts.introductions.release(arrival.delivery.envelope.from);
    }
    await this.#finish(batch);
  }

  /** The batch that goes on. */
  async #take(batch: Batch, arrival: Arrival): Promise<Batch> {
    const { context } = this.#parts;
    if (this.#stopped || context.store.failure !== null) return batch;
    try {
      if ((await this.#backlog.isForLater(arrival)) && this.#backlog.hold(arrival)) return batch;
      batch.accepted.push(await this.#accept(batch, arrival));
      return batch;
    } catch (error) {
      // Behind others it is judged again when they are done: a refusal never depends on a batch.
      if (batch.accepted.length > 0) return await this.#take(await this.#finish(batch), arrival);
      if (!this.#isKept(arrival, error)) await this.#refuse(arrival, error);
      return batch;
    } finally {
      this.#backlog.judged(arrival);
    }
  }

  /** Whether it waits here for room, behind others of its sender. */
  #isKept(arrival: Arrival, error: unknown): boolean {
    if (!(error instanceof AgentMeshError)) return false;
    // What skips too many messages may skip those that wait.
    const isBehind = error.code === 'SKIP_BUDGET' && this.#backlog.isBehind(arrival);
    return (error.code === 'INBOX_FULL' || isBehind) && this.#backlog.hold(arrival);
  }

  async #refuse(arrival: Arrival, error: unknown): Promise<void> {
    const { context, refusals, waiting } = this.#parts;
    if (error instanceof AgentError && error.code === 'INBOX_FULL') {
      // They come again after this wait, or twice as long the second time.
      const untilMs = context.waits() + 3 * AGENT_LIMITS.busyNackMs;
      waiting.putOff(arrival.delivery.envelope.from, untilMs);
    }
    await refusals.refuse(arrival, error).catch((failure: unknown) => {
      // Not even the refusal could be written: the hub delivers again.
      context.log.error('delivery not taken', { error: nameOf(failure) });
    });
  }

  /** Steps 1 to 11 for one delivery: its part of the batch, or a refusal that leaves nothing. */
  async #accept(batch: Batch, arrival: Arrival): Promise<Accepted> {
    const incoming: Incoming = arrival.delivery.envelope;
    return this.#alone(incoming, async () => {
      const part = batch.tx.nested();
      const received = await this.#judge(part, incoming);
      const row = inboxRowOf(received, this.#parts.context.runtime.now());
      const isBehind = this.#backlog.isBehind(arrival);
      const staged = await this.#stage(part, received, { row, isBehind });
      const { body, repeated } = received;
      const before = body.kind === 'saidBefore' && !repeated ? body.before : null;
      const holder = { batch, tx: part, received, isBehind };
      const earlier = before === null ? null : await this.#earlierIn(holder, before);
      await part.commit();
      return { arrival, received, row, ...staged, earlier };
    });
  }

  async #stage(
    tx: StoreTransaction,
    received: Received,
    place: { readonly row: InboxRow; readonly isBehind: boolean },
  ): Promise<Pick<Accepted, 'key' | 'held'>> {
    const { intake, contacts } = this.#parts;
    const held = await contacts.stage(tx, received, place.row);
    return { held, key: held === null ? intake.stage(tx, received, place) : null };
  }

  /** The message that was said before in a conversation of former identities. */
  async #earlierIn(
    holder: { batch: Batch; tx: StoreTransaction; received: Received; isBehind: boolean },
    before: SaidBefore,
  ): Promise<Earlier> {
    const { tx, isBehind } = holder;
    const unfolded = await unfold(this.#parts, holder, { received: holder.received, before });
    const { received } = unfolded;
    // What was signed is the message that holds it.
    const row = { ...inboxRowOf(received, this.#parts.context.runtime.now()), proof: null };
    return { ...unfolded, row, ...(await this.#stage(tx, received, { row, isBehind })) };
  }

  /** Step 12: committed, then acknowledged, then told. Gives an empty batch to go on with. */
  async #finish(batch: Batch): Promise<Batch> {
    const { tx, accepted } = batch;
    try {
      const { context, deliveries } = this.#parts;
      const { boot } = context.self.meta;
      const received = accepted.map((one) => one.received);
      for (const row of toldWith(received, { boot, deliveries })) tx.write(row);
      const envelopes = accepted.map(({ arrival }) => arrival.delivery.envelope);
      for (const row of await takenWith(tx, envelopes)) tx.write(row);
      await tx.commit();
      for (const one of accepted) this.#tell(one);
    } catch (error) {
      // Not acknowledged: no message is lost, the store is what has to be repaired.
      this.#parts.context.store.fail(error);
    } finally {
      batch.release();
      for (const aid of batch.met) this.#parts.introductions.release(aid);
    }
    return new Batch(this.#parts.context.transaction());
  }

  #tell({ arrival, earlier, ...own }: Accepted): void {
    const { line, delivery } = arrival;
    const { consequences, refusals } = this.#parts;
    refusals.taken(delivery.envelope.id);
    line.ack(delivery.seq);
    // It is durable here: how long handlers take is no concern of the hub's.
    line.giveBack(delivery.envelope.blob.length);
    this.#handOn(own, false);
    if (earlier !== null) {
      this.#handOn(earlier, earlier.isPerhapsRepeated);
      consequences.ofEarlier(earlier.received);
    }
    this.#follow(own.received);
  }

  /** To the handlers, or to whoever decides whether it may go there. */
  #handOn({ received, row, key, held }: Omit<Accepted, 'arrival' | 'earlier'>, isRepeat: boolean) {
    const { context, contacts, dispatcher } = this.#parts;
    if (key !== null) {
      const position = positionOf(received, context.self.meta);
      const { body, content } = received;
      const told = toldIn(content.msgId, body.kind === 'application' ? body.payload : {});
      const redelivered = isRepeat || content.sentAtMs <= context.self.lostUntilMs;
      const { fromName: sender } = content;
      dispatcher.add({ key, row, sender, position, redelivered, ...told });
    }
    if (held !== null) contacts.heldBack(received, row, held);
  }

  /** It is committed. */
  #follow(received: Received): void {
    this.#positions.add(received.position);
    this.#parts.consequences.of(received);
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
    const { context, contacts, deliveries, introductions, budget } = this.#parts;
    const me = context.self.authorFor(incoming.to);
    if (me === null) throw new AgentError('MISADDRESSED');
    if (contacts.isBlocked(incoming.from)) throw new AgentError('PEER_BLOCKED');
    return judge(
      {
        tx,
        me,
        policy: context.policy,
        isOurs: (aid) => context.self.isOurs(aid),
        mayHandshake: (aid) => budget.take(aid, context.waits()),
        skips: {
          left: (aid) => this.#skips.left(aid, context.waits()),
          spend: (aid, steps) => this.#skips.spend(aid, steps, context.waits()),
          waiting: (aid) => this.#backlog.count(aid),
        },
        isTaken: (position) => this.#positions.isTaken(position),
        introduce: (name, aid) => introductions.meetSender(tx, name, aid),
        isAwaited: (aid, epoch, number) => deliveries.isAwaited(aid, epoch, number),
      },
      incoming,
    );
  }
}
