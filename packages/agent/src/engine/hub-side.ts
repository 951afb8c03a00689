/**
 * All of an agent that exists only with a hub: its connection, the change of its identity, and its
 * upkeep. Owns as whom the agent connects and what the hub's news mean to the other parts; an agent
 * without a hub has none.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type { DeliveryNotice, Hub, HubConnection, HubSession } from '@agentmesh/protocol';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { ForgottenChange, maySayForgotten } from '../changes/forgotten-change.js';
import { Restating } from '../changes/restating.js';
import { FormerConnections } from '../changes/former-connections.js';
import { Rotation } from '../changes/rotation.js';
import type { RotationOptions } from '../changes/rotation.js';
import { AgentError } from '../ground/errors.js';
import { KeyedMutex } from '../ground/keyed-mutex.js';
import { Connector } from '../hub/connector.js';
import { HubLink } from '../hub/hub-link.js';
import type { IdentityConnection } from '../hub/identity-connection.js';
import type { IdentityKeeper } from '../keys/kept-identity.js';
import type { Publisher } from '../keys/publisher.js';
import type { Behind } from '../owed/behind.js';
import type { Owed } from '../owed/owed.js';
import type { StoreAges } from '../owed/store-ages.js';
import type { BundleSource } from '../peers/bundle-source.js';
import type { Receiver } from '../receiving/receiver.js';
import type { Deliveries, Sent } from '../sending/deliveries.js';
import type { Retention } from '../sending/retention.js';
import type { SealingAnew } from '../sending/sealing-anew.js';
import type { Transmitter } from '../sending/transmitter.js';
import { ConnectionLog } from './connection-log.js';
import type { CallSide } from './call-side.js';
import { Upkeep } from './upkeep.js';

/** The hub, and the parts that it serves. */
export interface HubSideParts {
  readonly context: AgentContext;
  readonly hub: Hub;
  /** Registration token, where the hub asks for one. */
  readonly token: string | undefined;
  readonly keeper: IdentityKeeper;
  readonly bundles: BundleSource;
  readonly publisher: Publisher;
  readonly retention: Retention;
  readonly transmitter: Transmitter;
  readonly sealing: SealingAnew;
  readonly calls: CallSide;
  readonly deliveries: Deliveries;
  readonly owed: Owed;
  readonly behind: Behind;
  readonly storeAges: StoreAges;
  readonly receiver: Receiver;
}

/** The hub side of one agent. */
export class HubSide {
  readonly link: HubLink;
  readonly upkeep: Upkeep;
  readonly #parts: HubSideParts;
  readonly #connector: Connector;
  readonly #rotation: Rotation;
  readonly #formers: FormerConnections;
  /** One change of identity after the other, each on the connection of the identity before. */
  readonly #changes = new KeyedMutex();
  readonly #log: ConnectionLog;
  readonly #restating: Restating;
  #isLeaving = false;

  constructor(parts: HubSideParts) {
    const { context, hub, token, keeper, bundles, publisher, retention, transmitter } = parts;
    const { calls } = parts;
    this.#parts = parts;
    this.#log = new ConnectionLog(context.log);
    const isTransient = (keyPair: AgentKeyPair): boolean => keeper.isTransient(keyPair);
    this.#connector = new Connector({ context, hub, token, isTransient });
    this.link = new HubLink(this.#newConnection(), context.keepAlive);
    const { link } = this;
    const onSwitch = (): void => this.#replaceConnection();
    this.#rotation = new Rotation({
      context,
      link,
      bundles,
      publisher,
      transmitter,
      keeper,
      onSwitch,
      onLate: () => this.#madeLate(),
    });
    this.#formers = new FormerConnections(context, (keys) => this.#connectAs(keys));
    const formers = this.#formers;
    this.#restating = new Restating({
      context,
      link,
      connector: this.#connector,
      forgotten: new ForgottenChange(context, formers),
      newConnection: () => this.#newConnection(),
    });
    this.upkeep = new Upkeep({
      context,
      link,
      publisher,
      retention,
      transmitter,
      calls,
      behind: parts.behind,
      formers,
    });
  }

  /**
   * Connects and publishes, then takes up a change of identity that an earlier run began. Rejects
   * with the hub's refusal, unless this store was on its hub before and the hub may come back.
   */
  async connect(): Promise<void> {
    const { context } = this.#parts;
    const { link } = this;
    const wasConnected = await this.#connector.wasConnected();
    try {
      await this.#connector.connect(link.connection, context.self.keyPair);
    } catch (error) {
      // Whom the hub has let in it knows by now; its keys were not published yet.
      const isNew = !wasConnected && error instanceof AgentError && error.code === 'CLOCK';
      if (isNew) throw error;
      await this.#withoutConnection(error);
    }
    const { next } = context.self;
    if (next !== null && link.isUp) {
      await this.#resume(next);
    }
    this.#formers.start();
    this.upkeep.start();
  }

  /** Where the hub is, for others to connect to; empty where only this process has it. */
  get addresses(): readonly string[] {
    return this.#parts.hub.addresses ?? [];
  }

  /** Where the hub does not answer now the agent begins all the same, but says nothing yet. */
  async #resume(next: AgentKeyPair): Promise<void> {
    try {
      await this.#rotation.resume(next);
    } catch (error) {
      if (this.#rotation.isBusy) return;
      throw error;
    }
    await this.#connectSuccessor();
  }

  /** The answer to a change of identity came after its caller was told that it had not. */
  #madeLate(): void {
    this.#connectSuccessor().catch((error: unknown) => {
      this.#parts.context.log.error('new identity not connected', { error: nameOf(error) });
    });
  }

  /** Changes to another identity: the one given, or a new one. */
  async rotate(given: AgentKeyPair | undefined, options: RotationOptions): Promise<void> {
    await this.#changes.run('identity', async () => {
      if (await this.#rotation.begin(given, options)) await this.#connectSuccessor();
    });
  }

  /** The agent is being closed: whatever the hub refuses from now on ends nothing more. */
  leave(): void {
    this.#isLeaving = true;
  }

  /** Begins nothing new. */
  stop(): void {
    this.upkeep.stop();
    this.#rotation.stop();
    this.#connector.stop();
  }

  async disconnect(): Promise<void> {
    // A goodbye that fails is a goodbye all the same.
    await Promise.allSettled([this.link.close(), this.#formers.close()]);
  }

  /**
   * The first attempt has failed. An agent that was on its hub before begins offline, with all that
   * it has; a new one has to be let in first.
   */
  async #withoutConnection(failure: unknown): Promise<void> {
    if (!(failure instanceof AgentMeshError)) throw failure;
    const { context } = this.#parts;
    const { next } = context.self;
    // A hub that asks for tokens does not say more.
    const isOver = failure.code === 'NAME_TAKEN' || failure.code === 'REGISTRATION_REFUSED';
    if (next !== null && isOver && (await this.#isLetIn(next))) {
      await this.#rotation.conclude(next);
      return this.#connectSuccessor();
    }
    if (this.#restating.forgottenBy(failure) !== null) return this.#restating.connect(failure);
    if (failure.code === 'NAME_TAKEN' && !context.keepsKeys) throw nameTaken(context.name, failure);
    const mayWait = failure.retryable && next === null && (await this.#connector.wasConnected());
    if (!mayWait) throw failure;
    this.#down(failure);
    const { connection } = this.link;
    this.#connector.insist(connection, context.self.keyPair).catch((reason: unknown) => {
      if (this.#isLeaving || context.store.failure !== null) return;
      connection.giveUp(reason instanceof AgentMeshError ? reason : failure);
    });
  }

  /** A refusal is nobody's word yet: that the next identity is let in proves the change. */
  async #isLetIn(next: AgentKeyPair): Promise<boolean> {
    try {
      await this.#connector.probe(next);
      return true;
    } catch (error) {
      if (error instanceof AgentMeshError && maySayForgotten(error)) return false;
      throw error;
    }
  }

  /**
   * The new identity has a connection of its own before it can say anything; the one before brings
   * what is on its way still.
   */
  #replaceConnection(): void {
    this.#parts.transmitter.pause();
    this.#formers.adopt(this.link.connection);
    this.link.replace(this.#newConnection());
    // A store that fails has stopped the agent and says why.
    void this.#parts.behind.load().catch(() => undefined);
  }

  /** The new identity connects, even where its keys could not be moved. */
  async #connectSuccessor(): Promise<void> {
    const { connection } = this.link;
    try {
      await this.#rotation.moveKeys();
    } finally {
      await this.#connector
        .insist(connection, this.#parts.context.self.keyPair)
        .catch((error: unknown) => this.#successorRefused(connection, error));
    }
  }

  /** The hub may have been restored to before the change in between. */
  #successorRefused(connection: IdentityConnection, error: unknown): Promise<void> {
    const forgotten = this.#restating.forgottenBy(error);
    if (forgotten !== null) return this.#restating.connect(forgotten);
    if (error instanceof AgentMeshError) connection.giveUp(error);
    throw error;
  }

  /** A connection of its own for a former identity. */
  async #connectAs(keyPair: AgentKeyPair): Promise<IdentityConnection> {
    const connection = this.#newConnection();
    await this.#connector.connect(connection, keyPair);
    return connection;
  }

  /** What the connection of a former identity tells concerns deliveries and their fate only. */
  #newConnection(): IdentityConnection {
    const isCurrent = (): boolean => this.link.connection === made;
    const whenCurrent = (task: () => void): void => void (isCurrent() && task());
    const made: IdentityConnection = this.#connector.newConnection({
      authenticated: async (connection, session) => {
        if (isCurrent()) await this.#authenticate(connection, session);
      },
      greeted: (session) => this.#greeted(session),
      deliver: (delivery, line) => this.#parts.receiver.deliver(delivery, line),
      notice: (notice) => this.#notice(notice),
      up: (connection) => whenCurrent(() => this.#up(connection)),
      down: (error) => whenCurrent(() => this.#down(error)),
      ended: (error) => whenCurrent(() => this.#ended(error)),
    });
    return made;
  }

  #greeted({ timeMs, limits }: HubSession): void {
    const { context } = this.#parts;
    context.hubClock.heard(timeMs);
    context.envelopeBytes = limits.blobBytes;
  }

  /** P6, then the hub's key, then our keys: only after that the link counts as up. */
  async #authenticate(connection: HubConnection, session: HubSession): Promise<void> {
    const { context, sealing, publisher } = this.#parts;
    const { hubKey, hubId, keyDigest, oneTimePrekeys, lastInstance, lastBoot, history } = session;
    // A change waits for this connection and lets nobody seal: it was looked at when it came up
    // first.
    if (context.self.next !== null || this.#rotation.isBusy) return;
    const hasLast = lastInstance !== null && lastBoot !== null;
    const last = hasLast ? { instance: lastInstance, boot: lastBoot } : null;
    // Alone: nobody seals as the instance that is replaced.
    const wentBack = await context.identityLock.exclusive(() =>
      context.self.answered({ hubKey, last, history }, (boots) => sealing.takeBack(boots)),
    );
    // Before anything else is said.
    sealing.start();
    if (wentBack === 'hub' || wentBack === 'perhaps hub') this.#hubWentBack(wentBack);
    if (wentBack === 'store') this.#parts.storeAges.rolledBack();
    await publisher.publish(connection, { hubId, keyDigest, oneTimePrekeys });
  }

  /** What it had accepted may be lost: peers are asked soon what they have not received. */
  #hubWentBack(which: 'hub' | 'perhaps hub'): void {
    const { bundles, context, owed } = this.#parts;
    const { boot } = context.self.meta;
    bundles.hubWentBack();
    const lost = 'what it lost is sent again';
    if (which === 'hub') context.log.warn(`the hub went back in time: ${lost}`, { boot });
    else context.log.info(`the hub may have lost some time: ${lost}`, { boot });
    void owed.remindAll();
  }

  #down(error: AgentMeshError): void {
    const { context, transmitter } = this.#parts;
    transmitter.pause();
    if (!this.#log.down(error)) return;
    context.events.emit('connection', { state: 'offline', error });
  }

  #up(connection: HubConnection): void {
    const { context, transmitter } = this.#parts;
    transmitter.start(connection);
    this.#log.up();
    context.events.emit('connection', { state: 'online', error: null });
  }

  /**
   * The hub has given up an envelope, or its recipient waits for a decision first. Whether the
   * message of one that was given up is there only the peer can say, which may have it already or
   * gets it when it asks again: this ends nothing.
   */
  #notice({ id, what, reason }: DeliveryNotice): void {
    const { context, deliveries, owed } = this.#parts;
    const sent = deliveries.byEnvelope(id);
    if (what === 'put_off') {
      if (sent !== undefined && reason !== undefined) deliveries.waiting(sent, reason);
      return;
    }
    if (sent === undefined) return context.log.debug('hub gave up an envelope', { what });
    context.events.emit('undelivered', { id: sent.id, peer: sent.peer, reason: what });
    // Its time was over by our own clock: it is not said again, whatever a hub says.
    if (deliveries.isTimeOver(sent)) void this.#expire(sent);
    else owed.givenUp(sent.aid);
  }

  async #expire({ aid, epoch, number }: Sent): Promise<void> {
    const { context, retention } = this.#parts;
    try {
      const error = new AgentError('UNDELIVERED', 'its time to live is over');
      await retention.replaceRefused({ to: aid, epoch, number }, error, 'expired');
    } catch (error) {
      // The store has stopped the agent and says so itself, or the agent is being closed.
      context.log.debug('message not given up', { error: nameOf(error) });
    }
  }

  /** A hub that was restored to before a change of ours is told of it; else this is the end. */
  #ended(error: AgentMeshError | null): void {
    const { context, transmitter } = this.#parts;
    transmitter.pause();
    const forgotten = this.#isLeaving ? null : this.#restating.forgottenBy(error);
    if (forgotten !== null) {
      this.#down(forgotten);
      return this.#restating.ended(forgotten);
    }
    if (error !== null) transmitter.stop(error);
    this.#log.ended(error);
    context.events.emit('connection', { state: 'ended', error });
    if (error?.code === 'DISPLACED') context.events.emit('displaced', { peer: context.name });
  }
}

/** Who keeps no keys is somebody else at each start. */
function nameTaken(name: string, cause: AgentMeshError): ProtocolError {
  const message =
    `The name '${name}' belongs to other keys on this hub, which are kept or connected now, and ` +
    'this agent makes new keys at each start: pass keypairPath to be the same agent every time, ' +
    'or choose another name';
  return new ProtocolError('NAME_TAKEN', { message, cause });
}
