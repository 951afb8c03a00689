/**
 * One running agent: its parts put together, brought up, kept and taken down. Owns the order of
 * starting and closing and what happens when the hub or the store says so; decides nothing about
 * messages.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import type { DeliveryNotice, HubConnection, HubSession } from '@agentmesh/protocol';
import { AgentContext, nameOf } from '../agent-context.js';
import { BundleSource } from '../peers/bundle-source.js';
import { Connector } from '../hub/connector.js';
import { Conversations } from '../peers/session-finder.js';
import { Deliveries } from '../sending/deliveries.js';
import { Dispatcher } from '../receiving/dispatcher.js';
import { AgentError } from '../ground/errors.js';
import { FollowUps } from '../owed/follow-ups.js';
import { FormerLines } from '../changes/former-connections.js';
import { HandshakeBudget } from '../peers/handshake-budget.js';
import type { HubLine } from '../hub/hub-connection.js';
import { HubLink } from '../hub/hub-link.js';
import type { KeptIdentity } from '../keys/kept-identity.js';
import type { InboxRow } from '../message/inbox.js';
import { Introductions } from '../peers/introductions.js';
import { KeyedMutex } from '../ground/keyed-mutex.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { Message } from '../message/message.js';
import type { Reply } from '../message/message.js';
import type { CheckedOptions } from './options.js';
import { Outcomes } from '../owed/outcomes.js';
import { Publisher } from '../keys/publisher.js';
import { Receiver } from '../receiving/receiver.js';
import { Repairs } from '../owed/repairs.js';
import { Revocations } from '../peers/revocations.js';
import { Rotation } from '../changes/rotation.js';
import type { RotationOptions } from '../changes/rotation.js';
import { RowSweeper } from '../store/row-sweeper.js';
import { Sender } from '../sending/sender.js';
import { Transmitter } from '../sending/transmitter.js';

/** What an engine is built from. */
export interface EngineParts {
  readonly name: string;
  readonly kept: KeptIdentity;
  readonly options: CheckedOptions;
  /** How a handler's `msg.reply` is sent. */
  readonly reply: (to: Uint8Array, ...reply: Parameters<Reply>) => ReturnType<Reply>;
}

/** The machinery of one agent; `Agent` is its face. */
export class Engine {
  readonly context: AgentContext;
  readonly link: HubLink | null;
  readonly revocations: Revocations;
  readonly introductions: Introductions;
  readonly conversations: Conversations;
  readonly deliveries: Deliveries;
  readonly sender: Sender;
  readonly dispatcher: Dispatcher;
  readonly outcomes: Outcomes;
  readonly publisher: Publisher;
  readonly bundles: BundleSource | null;
  readonly receiver: Receiver;
  readonly transmitter: Transmitter;
  readonly #rotation: Rotation | null;
  readonly #formerLines: FormerLines | null;
  readonly #connector: Connector | null;
  readonly #followUps: FollowUps | null;
  readonly #sweeper: RowSweeper;
  /** One change of identity after the other, each on the line of the identity before. */
  readonly #changes = new KeyedMutex();
  #cancelUpkeep: (() => void) | null = null;
  #refilling = false;
  #closing: Promise<void> | null = null;

  private constructor(context: AgentContext, { kept, options, reply }: EngineParts) {
    this.context = context;
    this.deliveries = new Deliveries(context.events, context.runtime.now);
    const { hub, token } = options;
    const connector = hub === null ? null : new Connector(context, hub, token);
    this.#connector = connector;
    this.link = connector === null ? null : new HubLink(this.#newLine(connector));
    const { link } = this;
    const budget = new HandshakeBudget();
    this.#sweeper = new RowSweeper(context.store);
    this.transmitter = new Transmitter(context, this.#sweeper, (row, error) =>
      this.sender.replaceRefused(row, error),
    );
    const { transmitter, deliveries } = this;
    const revocations = new Revocations(context, deliveries, transmitter);
    this.revocations = revocations;
    this.bundles = link === null ? null : new BundleSource(link, revocations);
    const { bundles } = this;
    this.introductions = new Introductions({ context, bundles, revocations });
    this.conversations = new Conversations(context, bundles);
    const { introductions, conversations } = this;
    const onAwaiting = (aid: Uint8Array): void => this.#followUps?.awaits(aid);
    const means = { context, introductions, conversations, transmitter, deliveries };
    this.sender = new Sender({ ...means, onAwaiting });
    const { sender } = this;
    const sweeper = this.#sweeper;
    this.outcomes = new Outcomes({ context, sender, sweeper, deliveries });
    const read = (row: InboxRow, redelivered: boolean): Message =>
      new Message(row, redelivered, (...args) => reply(row.from, ...args));
    this.dispatcher = new Dispatcher({ context, sweeper, outcomes: this.outcomes, read });
    this.publisher = new Publisher(context, () => void this.#refill());
    this.#followUps = link === null ? null : new FollowUps(context, sender);
    const repairs =
      bundles === null ? null : new Repairs({ context, bundles, introductions, sender, budget });
    const { dispatcher, publisher } = this;
    const followUps = this.#followUps;
    const told = { context, introductions, deliveries, dispatcher, publisher, revocations };
    this.receiver = new Receiver({ ...told, budget, repairs, followUps });
    const { keeper } = kept;
    const onSwitch = (): void => this.#replaceLine();
    this.#rotation =
      link === null || bundles === null
        ? null
        : new Rotation({ context, link, bundles, publisher, transmitter, keeper, onSwitch });
    this.#formerLines =
      connector === null
        ? null
        : new FormerLines(context, (keys) => this.#connectAs(connector, keys));
  }

  /**
   * Opens the store, then connects and publishes; rejects and lets go of everything if it fails.
   */
  static async start(parts: EngineParts): Promise<Engine> {
    const { name, kept, options } = parts;
    const { runtime, log, policy, requireOneTimePrekey } = options;
    const { keyPair, prepared, store } = kept;
    // The store may fail before there is an engine to stop.
    let engine: Engine | null = null;
    const context = await AgentContext.open(
      { name, keyPair, prepared, store, runtime, log, policy, requireOneTimePrekey },
      (error) => engine?.fail(error),
    );
    engine = new Engine(context, parts);
    try {
      if (context.keyPair === prepared) await kept.keeper.promote();
      await engine.#load();
      await engine.#connect();
      return engine;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** The store has failed: nothing goes on in memory (P5). */
  fail(error: AgentMeshError): void {
    const { context } = this;
    this.#halt(error);
    context.log.error('agent stopped', { code: error.code });
    context.events.emit('stopped', { error });
    void this.#disconnect();
  }

  /** Completes what was begun within a few seconds, then lets go of hub and store. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #load(): Promise<void> {
    await this.revocations.load();
    await this.publisher.sweep();
    await this.dispatcher.load();
    if (this.link === null) return;
    await this.transmitter.load();
    await this.#followUps?.load();
    await this.outcomes.load();
  }

  /** Changes to another identity: the one given, or a new one. */
  async rotate(given: AgentKeyPair | undefined, options: RotationOptions): Promise<void> {
    const rotation = this.#rotation;
    if (rotation === null) throw new AgentError('NO_HUB');
    await this.#changes.run('identity', async () => {
      if (await rotation.begin(given, options)) await this.#connectSuccessor();
    });
  }

  async #connect(): Promise<void> {
    const { context, link } = this;
    const connector = this.#connector;
    if (link === null || connector === null) return;
    try {
      await connector.connect(link.line, context.keyPair);
    } catch (error) {
      await this.#withoutConnection(connector, error);
    }
    const { next } = context;
    if (next !== null && link.isUp) {
      await this.#rotation?.resume(next);
      await this.#connectSuccessor();
    }
    this.#formerLines?.start();
    this.#scheduleUpkeep();
  }

  /**
   * The first attempt has failed. An agent that was on its hub before begins offline, with all that
   * it has; a new one has to be let in first.
   */
  async #withoutConnection(connector: Connector, error: unknown): Promise<void> {
    const { context, link } = this;
    if (!(error instanceof AgentMeshError) || link === null) throw error;
    const { next } = context;
    if (next !== null && error.code === 'NAME_TAKEN') {
      // A refusal is nobody's word yet: that the next one is let in proves the change.
      await connector.probe(next);
      await this.#rotation?.conclude(next);
      return this.#connectSuccessor();
    }
    const mayWait = error.retryable && next === null && (await connector.wasConnected());
    if (!mayWait) throw error;
    this.#down(error);
    const { line } = link;
    connector.insist(line, context.keyPair).catch((reason: unknown) => {
      if (this.#closing !== null || context.store.failure !== null) return;
      line.giveUp(reason instanceof AgentMeshError ? reason : error);
    });
  }

  /**
   * The new identity has a line of its own before it can say anything; the one before brings what
   * is on its way still.
   */
  #replaceLine(): void {
    const { link } = this;
    if (link === null || this.#connector === null) return;
    this.transmitter.pause();
    this.#formerLines?.adopt(link.line);
    link.replace(this.#newLine(this.#connector));
  }

  /** The new identity connects, whatever becomes of the place of its keys. */
  async #connectSuccessor(): Promise<void> {
    const { context, link } = this;
    const connector = this.#connector;
    if (link === null || connector === null) return;
    try {
      await this.#rotation?.place();
    } finally {
      await connector.insist(link.line, context.keyPair).catch((error: unknown) => {
        if (error instanceof AgentMeshError) link.line.giveUp(error);
        throw error;
      });
    }
  }

  /** A line of its own for a former identity. */
  async #connectAs(connector: Connector, keyPair: AgentKeyPair): Promise<HubLine> {
    const line = this.#newLine(connector);
    await connector.connect(line, keyPair);
    return line;
  }

  /** What the line of a former identity tells concerns deliveries and their fate only. */
  #newLine(connector: Connector): HubLine {
    const whenCurrent = (task: () => void): void => void (this.link?.line === line && task());
    const line: HubLine = connector.newLine({
      authenticated: async (connection, session) => {
        if (this.link?.line === line) await this.#authenticate(connection, session);
      },
      deliver: (delivery) => this.receiver.deliver(delivery, line),
      notice: (notice) => this.#notice(notice),
      up: (connection) => whenCurrent(() => this.#up(connection)),
      down: (error) => whenCurrent(() => this.#down(error)),
      ended: (error) => whenCurrent(() => this.#ended(error)),
    });
    return line;
  }

  /** P6, then the hub's key, then our keys: only after that the link counts as up. */
  async #authenticate(connection: HubConnection, session: HubSession): Promise<void> {
    const { context } = this;
    const { hubKey, hubId, keyDigest, oneTimePrekeys, lastInstance, lastBoot } = session;
    // A change waits for this line and lets nobody seal: it was looked at when it came up first.
    if (context.next !== null || this.#rotation?.isBusy === true) return;
    const hasLast = lastInstance !== null && lastBoot !== null;
    const last = hasLast ? { instance: lastInstance, boot: lastBoot } : null;
    const rolledBack = await context.answered(hubKey, last);
    if (rolledBack) {
      this.transmitter.abandonAll(new AgentError('UNDELIVERED', 'the store went back in time'));
      context.log.warn('store went back in time', { boot: context.meta.boot });
      context.events.emit('storeRollback', { boot: context.meta.boot });
    }
    await this.publisher.publish(connection, { hubId, keyDigest, oneTimePrekeys });
  }

  #down(error: AgentMeshError): void {
    this.transmitter.pause();
    this.context.events.emit('connection', { state: 'offline', error });
  }

  #up(connection: HubConnection): void {
    this.transmitter.start(connection);
    this.context.events.emit('connection', { state: 'online', error: null });
  }

  #notice({ id, what }: DeliveryNotice): void {
    const sent = this.deliveries.byEnvelope(id);
    if (sent !== undefined) {
      const state = what === 'expired' ? 'expired' : 'rejected';
      this.deliveries.failed(sent, state, new AgentError('UNDELIVERED', what));
    }
    this.context.events.emit('undelivered', { id: sent?.id ?? null, reason: what });
  }

  #ended(error: AgentMeshError | null): void {
    const { context } = this;
    this.transmitter.pause();
    if (error !== null) {
      this.transmitter.stop(error);
      context.log.error('connection ended', { code: error.code });
    }
    context.events.emit('connection', { state: 'ended', error });
    if (error?.code === 'DISPLACED') context.events.emit('displaced', { peer: context.name });
  }

  #scheduleUpkeep(): void {
    this.#cancelUpkeep = this.context.runtime.schedule(AGENT_LIMITS.upkeepMs, () => {
      void this.#refill();
      void this.#giveUpOld();
      this.#scheduleUpkeep();
    });
  }

  async #giveUpOld(): Promise<void> {
    try {
      await this.sender.giveUpOld();
    } catch (error) {
      // The store has stopped the agent, or it is being closed.
      this.context.log.warn('old messages not given up', { error: nameOf(error) });
    }
  }

  async #refill(): Promise<void> {
    const { link, publisher } = this;
    if (link === null || this.#refilling || this.context.closed) return;
    this.#refilling = true;
    try {
      await link.ask((connection) => publisher.refill(connection, connection.session.hubId));
      await publisher.sweep();
      await this.#formerLines?.sweep();
    } catch (error) {
      // Tried again with the next upkeep, and with the next authentication.
      const code = error instanceof AgentMeshError ? error.code : 'INTERNAL';
      this.context.log.warn('keys not looked after', { code });
    }
    this.#refilling = false;
  }

  async #close(): Promise<void> {
    const { context, link } = this;
    this.receiver.stop();
    await this.#within(AGENT_LIMITS.drainMs, async () => {
      await this.dispatcher.drain();
      await context.peers.idle();
      if (link?.isUp !== true) return;
      await this.outcomes.flush();
      await this.#followUps?.flush();
      await this.transmitter.idle();
    });
    this.#halt(new AgentError('CLOSED'));
    await this.#disconnect();
    await context.peers.idle();
    await this.#sweeper.idle();
    context.close();
    await context.store.close();
  }

  async #disconnect(): Promise<void> {
    // A goodbye that fails is a goodbye all the same.
    await Promise.allSettled([this.link?.close(), this.#formerLines?.close()]);
  }

  /** Stops whatever would begin something new. */
  #halt(reason: AgentMeshError): void {
    this.#cancelUpkeep?.();
    this.#connector?.stop();
    this.receiver.stop();
    this.dispatcher.stop();
    this.outcomes.stop();
    this.#followUps?.stop();
    this.transmitter.stop(reason);
    this.deliveries.close(reason);
  }

  /** Waits for a task, but not longer. */
  async #within(limitMs: number, task: () => Promise<void>): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.context.runtime.schedule(limitMs, resolve);
    // A failing store has stopped the agent and says so itself.
    await Promise.race([Promise.allSettled([task()]), late]);
    cancel();
  }
}
