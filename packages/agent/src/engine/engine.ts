/**
 * One running agent: its parts put together, loaded, stopped and closed. Owns the order of these;
 * what exists only with a hub is `hub-side`'s, and it decides nothing about messages.
 */
import type { AgentMeshError } from '@agentmesh/crypto';
import { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import { HIGHEST_CONCURRENCY } from '../handling/handlers.js';
import { Mailbox } from '../handling/mailbox.js';
import type { Surroundings } from '../handling/surroundings.js';
import type { KeptIdentity } from '../keys/kept-identity.js';
import { Publisher } from '../keys/publisher.js';
import type { InboxRow } from '../message/inbox.js';
import { Message } from '../message/message.js';
import type { Reply } from '../message/message.js';
import { Behind } from '../owed/behind.js';
import { Owed } from '../owed/owed.js';
import { Repairs } from '../owed/repairs.js';
import { StoreAges } from '../owed/store-ages.js';
import { BundleSource } from '../peers/bundle-source.js';
import { HandshakeBudget } from '../peers/handshake-budget.js';
import { Introductions } from '../peers/introductions.js';
import { refusalFor } from '../peers/replaced-peer.js';
import { Revocations } from '../peers/revocations.js';
import { SessionFinder } from '../peers/session-finder.js';
import { WaitingMessages } from '../handling/waiting-messages.js';
import { Consequences } from '../receiving/consequences.js';
import { Contacts } from '../receiving/contacts.js';
import { Dispatcher } from '../receiving/dispatcher.js';
import type { ReadMessage } from '../receiving/dispatcher.js';
import { Intake } from '../receiving/intake.js';
import { Invites } from '../receiving/invites.js';
import { Strangers } from '../receiving/strangers.js';
import { Receiver } from '../receiving/receiver.js';
import { Refusals } from '../receiving/refusals.js';
import { Deliveries } from '../sending/deliveries.js';
import { untold } from '../sending/told.js';
import type { Post, Posted } from '../sending/post.js';
import { Retention } from '../sending/retention.js';
import { SealingAnew } from '../sending/sealing-anew.js';
import { Sender } from '../sending/sender.js';
import { Transmitter } from '../sending/transmitter.js';
import { RowSweeper } from '../store/row-sweeper.js';
import { CallSide } from './call-side.js';
import { closingOf } from './closing.js';
import type { Closing } from './closing.js';
import { HubSide } from './hub-side.js';
import { post as postFrom } from './posting.js';
import type { CheckedOptions } from './options.js';

/** What an engine is built from. */
export interface EngineParts {
  readonly name: string;
  readonly kept: KeptIdentity;
  readonly options: CheckedOptions;
  /** How a handler's `msg.reply` is sent. */
  readonly reply: (answered: InboxRow, ...reply: Parameters<Reply>) => ReturnType<Reply>;
  /** What is around handlers; `wake`: something that kept messages from running is over. */
  readonly surround: (context: AgentContext, wake: () => void) => Surroundings;
}

/** The machinery of one agent; `Agent` is its face. */
export class Engine {
  readonly context: AgentContext;
  /** Null without a hub. */
  readonly hub: HubSide | null;
  readonly revocations: Revocations;
  readonly bundles: BundleSource;
  readonly introductions: Introductions;
  readonly deliveries: Deliveries;
  readonly sender: Sender;
  readonly dispatcher: Dispatcher;
  readonly strangers: Strangers;
  readonly contacts: Contacts;
  readonly invites: Invites;
  readonly publisher: Publisher;
  readonly receiver: Receiver;
  readonly calls: CallSide;
  readonly transmitter: Transmitter;
  readonly #owed: Owed;
  readonly #behind: Behind;
  readonly #around: Surroundings;
  readonly #sealing: SealingAnew;
  readonly #sweeper: RowSweeper;
  /** File of the store; null where it is no file. */
  readonly storePath: string | null;
  readonly #onPeers = {
    onMet: (aid: Uint8Array): void => this.strangers.met(aid),
    onFollowed: (previous: Uint8Array): void => this.#behind.followed(previous),
  };
  #mailbox: Mailbox | null = null;
  #closing: Closing | null = null;

  private constructor(context: AgentContext, { kept, options, reply, surround }: EngineParts) {
    this.context = context;
    this.storePath = kept.store.path ?? null;
    this.#around = surround(context, () => this.dispatcher.wake());
    const around = this.#around;
    const { events, runtime, keepAlive } = context;
    this.deliveries = new Deliveries({ events, steady: runtime.steady, keepAlive });
    const budget = new HandshakeBudget();
    const retention = new Retention(context, this.deliveries);
    const sweeper = new RowSweeper(context.store, context.runtime);
    context.store.carry(() => sweeper.riders());
    this.#sweeper = sweeper;
    const { deliveries } = this;
    this.transmitter = this.#transmitterWith(retention, sweeper);
    const { transmitter } = this;
    this.revocations = new Revocations(context, (aid, error) => {
      transmitter.abandon(aid, error);
      deliveries.abandon(aid, error);
    });
    const { revocations } = this;
    this.bundles = new BundleSource(context, () => this.hub?.link ?? null, revocations);
    const { bundles } = this;
    this.introductions = new Introductions({ context, bundles, revocations, ...this.#onPeers });
    const { introductions } = this;
    const sessions = new SessionFinder(context, bundles);
    const onAwaiting = (aid: Uint8Array): void => this.#owed.awaits(aid);
    const means = { context, introductions, sessions, transmitter, deliveries, retention };
    this.sender = new Sender({ ...means, onAwaiting });
    const { sender } = this;
    this.#sealing = new SealingAnew({ context, sender, transmitter, deliveries });
    const isComing = (aid: Uint8Array): boolean => this.receiver.isComing(aid);
    const owed = new Owed({ context, sender, sweeper, deliveries, isComing });
    const behind = new Behind({ context, sender, deliveries, retention });
    [this.#owed, this.#behind] = [owed, behind];
    const read: ReadMessage = (row, seen, signal) =>
      new Message(row, seen, (...args) => reply(row, ...args), signal);
    const post = (to: Uint8Array, message: Post): Promise<Posted> => postFrom(this, to, message);
    this.calls = new CallSide({ context, sweeper, deliveries, sender, transmitter, post, around });
    const { server, outgoing: calls } = this.calls;
    const waiting = new WaitingMessages();
    this.dispatcher = new Dispatcher({ context, sweeper, owed, waiting, server, read, around });
    const { dispatcher } = this;
    const publisher = new Publisher(context, () => void this.hub?.upkeep.refill());
    this.publisher = publisher;
    this.invites = new Invites(context);
    this.strangers = this.#strangersWith(owed);
    this.contacts = this.#contactsWith(read);
    const intake = new Intake({ context, dispatcher, owed, calls, server });
    const repairs = new Repairs({ context, bundles, introductions, sender, budget });
    const storeAges = new StoreAges(context, sender);
    const refusals = new Refusals({ context, introductions, repairs, storeAges, budget });
    const told = { context, introductions, deliveries, dispatcher, intake };
    const telling = { publisher, revocations, owed, behind, storeAges, strangers: this.strangers };
    const consequences = new Consequences({ ...told, ...telling });
    const { contacts } = this;
    const receiver = new Receiver({ ...told, contacts, budget, refusals, consequences, waiting });
    this.receiver = receiver;
    const { hub, token } = options;
    const served = { context, bundles, publisher, retention, transmitter, deliveries, owed };
    const all = {
      ...served,
      receiver,
      behind,
      storeAges,
      calls: this.calls,
      sealing: this.#sealing,
    };
    this.hub = hub === null ? null : new HubSide({ ...all, hub, token, keeper: kept.keeper });
  }

  /**
   * Opens the store, then connects and publishes; rejects and lets go of everything if it fails.
   */
  static async start(parts: EngineParts): Promise<Engine> {
    const { name, kept, options } = parts;
    const { runtime, log, policy, requireOneTimePrekey } = options;
    const { keyPair, prepared, store, keepsKeys, keepsStore } = kept;
    const hasHub = options.hub !== null;
    const found = { keyPair, prepared, store, keepsKeys, keepsStore, hasHub };
    // The store may fail before there is an engine to stop.
    let engine: Engine | null = null;
    const context = await AgentContext.open(
      { name, ...found, runtime, log, policy, requireOneTimePrekey },
      (error) => engine?.fail(error),
    );
    engine = new Engine(context, parts);
    try {
      if (context.self.keyPair === prepared) await kept.keeper.promote();
      const tell = await untold(context, engine.deliveries);
      await engine.#load();
      await engine.hub?.connect();
      // Once the program listens.
      context.runtime.schedule(0, tell);
      return engine;
    } catch (error) {
      await engine.close(false).ended;
      throw error;
    }
  }

  #transmitterWith(retention: Retention, sweeper: RowSweeper): Transmitter {
    const { deliveries } = this;
    return new Transmitter({
      context: this.context,
      sweeper,
      onRefused: async (row, refusal) => {
        const told = await refusalFor(this, row.to, refusal);
        if (told === refusal || !told.retryable) await retention.replaceRefused(row, told);
        return told;
      },
      onWaiting(envelopeId, reason) {
        const sent = deliveries.byEnvelope(envelopeId);
        if (sent !== undefined) deliveries.waiting(sent, reason);
      },
    });
  }

  #strangersWith(owed: Owed): Strangers {
    const { context, dispatcher, transmitter } = this;
    return new Strangers({
      context,
      isBusy: (aid) => dispatcher.holds(aid) || transmitter.holds(aid) || owed.owesTo(aid),
      forget: (aid) => this.contacts.forgetStranger(aid),
    });
  }

  #contactsWith(read: ReadMessage): Contacts {
    const { context, dispatcher, transmitter, deliveries, invites, strangers } = this;
    const [owed, around] = [this.#owed, this.#around];
    const onForgotten = (aid: Uint8Array): void => {
      const error = new AgentError('UNDELIVERED', 'the peer was forgotten here');
      transmitter.abandon(aid, error);
      deliveries.abandon(aid, error);
      owed.forgive(aid);
      around.forgotten(aid);
    };
    const deciding = { context, dispatcher, owed, invites, strangers };
    return new Contacts({ ...deciding, read, onForgotten });
  }

  /** Has messages wait to be taken. Throws BAD_OPTION where somebody handles them already. */
  openMailbox(): Mailbox {
    const { context, dispatcher } = this;
    context.assertRunning();
    if (dispatcher.handlers > 0) {
      throw new AgentError('BAD_OPTION', 'messages have a handler already: remove it first');
    }
    const options = { concurrency: HIGHEST_CONCURRENCY, order: 'none' } as const;
    this.#mailbox = new Mailbox(context.runtime, () => this.hub?.link.behind ?? 0, {
      subscribe: (handler) => dispatcher.addHandler(handler, options, 'mailbox'),
      decided: (message) => dispatcher.decided(message),
    });
    return this.#mailbox;
  }

  /** The store has failed: nothing goes on in memory (P5). */
  fail(error: AgentMeshError): void {
    const { context } = this;
    this.#halt(error);
    context.log.error('agent stopped', { code: error.code });
    context.events.emit('stopped', { error });
    void this.hub?.disconnect();
    context.refuseCalls();
    context.keepAlive.end();
  }

  /**
   * Completes what was begun within a few seconds, then lets go of hub and store. `isInside`:
   * called by a handler, which cannot end before it has an answer.
   */
  close(isInside: boolean): Closing {
    this.hub?.leave();
    this.receiver.stop();
    this.#mailbox?.close();
    const steps = { flush: () => this.#flush(), letGo: () => this.#letGo() };
    this.#closing ??= closingOf(this, isInside, steps);
    return this.#closing;
  }

  async #load(): Promise<void> {
    await this.revocations.load();
    await this.publisher.sweep();
    await this.#around.load();
    await this.dispatcher.load();
    await this.contacts.load();
    await this.strangers.load();
    await this.invites.load();
    if (this.hub === null) return;
    await this.transmitter.load();
    await this.#owed.load();
    await this.#behind.load();
    await this.calls.load();
    await this.#sealing.load();
  }

  /** What is owed to peers and what was said is given to the hub, if it is there. */
  async #flush(): Promise<void> {
    await this.context.peers.idle();
    if (this.hub?.link.isUp !== true) return;
    await this.#owed.flush();
    await this.transmitter.idle();
  }

  /** Nothing is said any more; hub and store are let go of. */
  async #letGo(): Promise<void> {
    const { context } = this;
    this.#halt(new AgentError('CLOSED'));
    await this.hub?.disconnect();
    await context.peers.idle();
    await this.#sweeper.settled();
    context.close();
    await context.release();
  }

  /** Stops whatever would begin something new. */
  #halt(reason: AgentMeshError): void {
    this.hub?.stop();
    this.receiver.stop();
    this.dispatcher.stop();
    this.#owed.stop();
    this.#behind.stop();
    this.calls.stop(new AgentError('CLOSED', undefined, reason));
    this.transmitter.stop(reason);
    this.deliveries.close(reason);
  }
}
