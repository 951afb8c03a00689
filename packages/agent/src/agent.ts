/**
 * `Agent`: what a program talks to. Owns the public calls, their checks and their results; the
 * machinery is `engine`'s. Printing or serialising an agent shows public values only.
 */
import { AgentKeyPair, ready, safetyNumber } from '@agentmesh/crypto';
import type { REVOCATION_REASON } from '@agentmesh/crypto';
import { Around } from './around/around.js';
import { loopScope } from './around/call-context.js';
import { replyTo } from './around/replying.js';
import { sealFor, sendTo } from './around/writing.js';
import type { Writer } from './around/writing.js';
import { CallingAgent } from './calling-agent.js';
import { decodeBundle, encodeBundle } from '@agentmesh/protocol';
import type { BundleJson, JsonObject } from '@agentmesh/protocol';
import { deadLettersIn, drop, revive } from './receiving/dead-letters.js';
import type { DeadLetter } from './receiving/dead-letters.js';
import type { Handler, HandlerOptions } from './handling/handlers.js';
import type { Mailbox } from './handling/mailbox.js';
import { ContactBook } from './contact-book.js';
import { Engine } from './engine/engine.js';
import { listedNames } from './hub/listed-names.js';
import { joinWith, makeInvite } from './joining.js';
import type { InviteOptions, Joined, JoinOptions } from './joining.js';
import type { InviteInfo } from './receiving/invites.js';
import { AgentError } from './ground/errors.js';
import type { AgentEvents } from './message/events.js';
import { keptOf, policyOf } from './engine/foundation.js';
import { Message } from './message/message.js';
import type { SendOptions, SendResult } from './message/message.js';
import { MessageStream } from './message/message-stream.js';
import type { RotationOptions } from './changes/rotation.js';
import { ownRevocation, readRevocation, revoke } from './changes/revoking.js';
import { checkName, checkOptions } from './engine/options.js';
import type { AgentOptions } from './engine/options.js';
import { messageBody, payloadBody } from './message/payload.js';
import { decodeEnvelope } from './sending/sealed-envelope.js';
import type { SealedEnvelope } from './sending/sealed-envelope.js';
import { knownPeer, knownPeers, statusOf } from './engine/status.js';
import type { AgentStatus, PeerInfo } from './engine/status.js';
import { parseReference } from './conversation/trust.js';

/** One identity that sends and receives end-to-end encrypted messages. */
export class Agent extends CallingAgent {
  /** Name on the hub. */
  readonly id: string;
  readonly #engine: Engine;
  readonly #writer: Writer;
  readonly #contacts: ContactBook;
  readonly #streams = new Set<MessageStream>();

  private constructor(name: string, engine: Engine, around: Around) {
    super(engine, around);
    this.id = name;
    this.#engine = engine;
    this.#writer = { engine, around };
    this.#contacts = new ContactBook(engine);
  }

  /** `am2…`: names this identity without any hub. */
  get address(): string {
    return this.#engine.context.self.keyPair.address;
  }

  /** File of its store, absolute; null where it is no file. */
  get storePath(): string | null {
    return this.#engine.storePath;
  }

  /** Eight groups of four hex digits, for people to compare. */
  get fingerprint(): string {
    return this.#engine.context.self.keyPair.fingerprint;
  }

  /** What the Python package printed for the same keys. */
  get legacyFingerprint(): string {
    return this.#engine.context.self.keyPair.legacyFingerprint;
  }

  /**
   * Starts an agent: loads or creates its keys, opens its store and, with a hub, registers its name
   * and publishes its keys. Rejects with BAD_OPTION, the `KEY_FILE_…` codes, STORE_LOCKED,
   * STORE_MISMATCH, or the hub's refusal, such as NAME_TAKEN.
   */
  static async create(name: string, options: AgentOptions = {}): Promise<Agent> {
    checkName(name);
    const checked = checkOptions(options);
    await ready();
    const policy = await policyOf(checked);
    const kept = await keptOf(checked);
    const around = new Around(checked);
    const engine: Engine = await Engine.start({
      name,
      kept,
      options: { ...checked, policy },
      surround: (context, wake) => around.attach(context, wake),
      reply: (row, ...reply) => replyTo({ around, parts: engine }, row, ...reply),
    });
    // Later than whatever the caller does at once with what we return, such as listening.
    checked.runtime.schedule(0, () => engine.context.events.release());
    return new Agent(name, engine, around);
  }

  /**
   * Sends a text, or an object whose `type` is "message" unless it says else. Resolves when the hub
   * has it durably; while offline it waits in the outbox. Where the agent ends before that, the
   * rejection is an `UnconfirmedError`, which says whether the message is kept. Rejects with
   * BAD_PEER, BAD_PAYLOAD, TOO_LARGE, BACKPRESSURE, PEER_NOT_FOUND, IDENTITY_CHANGED and other
   * typed errors.
   */
  async send(peer: string, content: string | object, options?: SendOptions): Promise<SendResult> {
    const bodyOf = (payload: unknown, way: JsonObject): Uint8Array =>
      messageBody(payload, null, way);
    return sendTo(this.#writer, peer, { payload: content, options, bodyOf });
  }

  /** Sends an object exactly as it is. */
  async sendPayload(peer: string, payload: object, options?: SendOptions): Promise<SendResult> {
    const bodyOf = (value: unknown, way: JsonObject): Uint8Array =>
      payloadBody(value, null, { ...way });
    return sendTo(this.#writer, peer, { payload, options, bodyOf });
  }

  /**
   * Has every message handled, after the handlers that were there before: the messages of one
   * sender one after the other, senders beside each other. A handler that throws gets the message
   * again, a few times. Returns what removes it. Throws BAD_OPTION or CLOSED.
   */
  onMessage(handler: Handler, options: HandlerOptions = {}): () => void {
    this.#engine.context.assertRunning();
    if (typeof handler !== 'function') throw new AgentError('BAD_OPTION', 'handler: a function');
    return this.#engine.dispatcher.addHandler(handler, options);
  }

  /**
   * Messages for a loop; each counts as handled when the next one is asked for. A loop that is
   * left, by `break` or by an error, has not handled its last message, which comes again, unless it
   * called `msg.done()` before. Throws CLOSED.
   */
  messages(): AsyncIterableIterator<Message> {
    const { context, dispatcher } = this.#engine;
    context.assertRunning();
    const stream = new MessageStream(
      (handler) => dispatcher.addHandler(handler, { concurrency: 1 }, 'loop'),
      context.keepAlive.holder(),
      loopScope(),
    );
    this.#streams.add(stream);
    return stream;
  }

  /**
   * Has messages wait until somebody takes them, such as another process; meanwhile `onMessage` and
   * loops get none. It ends with the agent. Throws BAD_OPTION where somebody handles them already.
   */
  openMailbox(): Mailbox {
    return this.#engine.openMailbox();
  }

  /** Listens to an event; returns what ends it. */
  on<Name extends keyof AgentEvents>(
    event: Name,
    listener: (event: AgentEvents[Name]) => void,
  ): () => void {
    return this.#engine.context.events.on(event, listener);
  }

  /** Looks a peer up, pins its identity and begins a session, without sending anything. */
  async connect(peer: string): Promise<PeerInfo> {
    const reference = parseReference(peer);
    const { introductions, context, hub, sender } = this.#engine;
    context.assertRunning();
    if (hub === null) throw new AgentError('NO_HUB');
    await sender.reach(await introductions.resolve(reference));
    const reached = await introductions.find(reference);
    if (reached === null) throw new AgentError('UNKNOWN_PEER');
    return knownPeer(context, reached.identity.aid);
  }

  /**
   * What another agent needs to write to this one without a hub; for one agent, to be used once.
   */
  async publicBundle(): Promise<BundleJson> {
    const { context, publisher, bundles } = this.#engine;
    context.assertRunning();
    return encodeBundle(await publisher.handOver(bundles.hubId));
  }

  /** Introduces the agent whose `publicBundle` this is; a fingerprint makes it verified. */
  async connectWithBundle(
    bundle: BundleJson,
    options: { readonly fingerprint?: string | undefined } = {},
  ): Promise<PeerInfo> {
    const decoded = decodeBundle(bundle);
    this.#engine.context.assertRunning();
    const aid = await this.#engine.introductions.accept(decoded, options.fingerprint ?? null);
    return knownPeer(this.#engine.context, aid);
  }

  /**
   * Seals a message for any channel; the peer opens it with `open`. Committed before it is given.
   */
  async seal(peer: string, content: string | object): Promise<SealedEnvelope> {
    return sealFor(this.#writer, peer, content);
  }

  /**
   * Opens what a peer sealed: its message, for the caller and not for the handlers. Rejects with
   * UNKNOWN_SENDER (introduce the sender first, then open it again), DUPLICATE or another refusal.
   */
  async open(envelope: SealedEnvelope): Promise<Message> {
    const { from, to, blob } = decodeEnvelope(envelope);
    const { context, receiver } = this.#engine;
    context.assertRunning();
    const row = await receiver.open({ from, to, blob });
    const answering = { around: this.#writer.around, parts: this.#engine };
    return new Message(row, { redelivered: false }, (...reply) =>
      replyTo(answering, row, ...reply),
    );
  }

  /** Who may reach the handlers: strangers that wait, and decisions about them. */
  get contacts(): ContactBook {
    return this.#contacts;
  }

  /**
   * Makes an invite: one line, to be pasted where another agent joins. Both are verified then, with
   * nothing to compare. Whoever has the line can use it, until its uses and its time are over.
   * Rejects with BAD_OPTION, NO_HUB or BACKPRESSURE.
   */
  invite(options?: InviteOptions): Promise<string> {
    return makeInvite(this.#engine, options);
  }

  /** Invites that can still be used, without their secrets. */
  invites(): readonly InviteInfo[] {
    this.#engine.context.assertRunning();
    return this.#engine.invites.list();
  }

  /** Nobody joins with this invite any more. Rejects with UNKNOWN_INVITE. */
  async revokeInvite(id: string): Promise<void> {
    this.#engine.context.assertRunning();
    await this.#engine.invites.revoke(id);
  }

  /**
   * Joins with the line that another agent's `invite` gave. Rejects with BAD_INVITE,
   * INVITE_EXPIRED, INVITE_OTHER_HUB, or as `send` does: then nothing was sent.
   */
  join(link: string, options?: JoinOptions): Promise<Joined> {
    return joinWith(this.#engine, link, options);
  }

  /**
   * Names of the agents on the hub that can be written to, this one included, in alphabetical
   * order: at most 100,000.
   */
  async listPeers(): Promise<string[]> {
    const { hub, context } = this.#engine;
    context.assertRunning();
    if (hub === null) return (await knownPeers(context)).map(({ name }) => name);
    return listedNames(hub.link);
  }

  /** Peers pinned here, each with what is known of it. */
  async peers(): Promise<PeerInfo[]> {
    this.#engine.context.assertRunning();
    return knownPeers(this.#engine.context);
  }

  /** How this agent is doing, in numbers. */
  async status(): Promise<AgentStatus> {
    this.#engine.context.assertRunning();
    return statusOf(this.#engine);
  }

  /**
   * Decides that the identity with this fingerprint is the one behind the name: after comparing it
   * with its owner, and always after `identityChanged`.
   */
  async trust(name: string, fingerprint: string): Promise<void> {
    this.#engine.context.assertRunning();
    await this.#engine.introductions.trust(name, fingerprint);
  }

  /**
   * Changes to a new identity under the same name: the present one signs for it, peers who trust on
   * first use follow, strict ones ask. What is on its way to the present identity is received for
   * seven days. With `keypairPath` the new keys take the old ones' place there; keys that you keep
   * yourself you make, keep and pass. Rejects with ROTATION_BUSY while earlier messages wait
   * (unless `giveUpUnsent`), or CONNECTION_LOST: then nothing was changed.
   */
  async rotateIdentity(next?: AgentKeyPair, options: RotationOptions = {}): Promise<void> {
    this.#engine.context.assertRunning();
    if (next !== undefined && !(next instanceof AgentKeyPair)) {
      throw new AgentError('BAD_OPTION', 'next: an AgentKeyPair');
    }
    if (Object(options) !== options) throw new AgentError('BAD_OPTION', 'options: an object');
    const { hub } = this.#engine;
    if (hub === null) throw new AgentError('NO_HUB');
    await hub.rotate(next, options);
  }

  /**
   * The record that ends this identity for ever: a text to be kept where the keys are not. Whoever
   * has it can show it with `revoke`, also when the keys are lost.
   */
  revocation(reason: keyof typeof REVOCATION_REASON = 'keyCompromised'): string {
    this.#engine.context.assertRunning();
    return ownRevocation(this.#engine.context, reason);
  }

  /**
   * Shows a revocation, of this identity or of any other: it is honoured here for ever and handed
   * to the hub. With its own an agent tells its peers and ends. Cannot be undone. Rejects with
   * BAD_RECORD or UNKNOWN_PEER; with what the hub says, or CONNECTION_LOST, once it is honoured
   * here.
   */
  async revoke(record: string): Promise<void> {
    this.#engine.context.assertRunning();
    await revoke(this.#engine, readRevocation(record));
  }

  /** Sixty digits that are the same on both sides, for two people to read to each other. */
  async safetyNumber(peer: string): Promise<string> {
    this.#engine.context.assertRunning();
    const known = await this.#engine.introductions.find(parseReference(peer));
    if (known === null) throw new AgentError('UNKNOWN_PEER');
    return safetyNumber(this.#engine.context.self.aid, known.identity.aid);
  }

  /** Messages that every attempt of the handlers failed on, oldest first; 1,000 are kept. */
  async deadLetters(): Promise<DeadLetter[]> {
    this.#engine.context.assertRunning();
    return deadLettersIn(this.#engine.context.store);
  }

  /** Has the handlers try a dead letter again, as a new message. Rejects with NO_DEAD_LETTER. */
  async retryDeadLetter(id: string): Promise<void> {
    const { context, dispatcher } = this.#engine;
    context.assertRunning();
    // One at a time: two calls for one letter must not both find it.
    await context.peers.run('dead letters', async () => {
      const key = context.logs.nextKey('inbox');
      dispatcher.again(key, await revive(context.store, id, key));
    });
  }

  /** Forgets a dead letter for good. Rejects with NO_DEAD_LETTER. */
  async dropDeadLetter(id: string): Promise<void> {
    this.#engine.context.assertRunning();
    await drop(this.#engine.context.store, id);
  }

  /**
   * Completes what was begun within a few seconds and lets go of hub and store. Inside of a handler
   * it resolves before that, when all but the handler is done: nothing more is sent or received,
   * and the message counts according to what the handler does then.
   */
  async close(): Promise<void> {
    const streams = [...this.#streams];
    const isInside = this.#engine.dispatcher.isInHandler || streams.some((each) => each.isInBody);
    const closing = this.#engine.close(isInside);
    void closing.begun.then(() => streams.forEach((stream) => stream.finish()));
    void closing.ended.then(() => streams.forEach((stream) => stream.end()));
    await (isInside ? closing.begun : closing.ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  toJSON(): { readonly id: string; readonly address: string; readonly fingerprint: string } {
    return { id: this.id, address: this.address, fingerprint: this.fingerprint };
  }

  override toString(): string {
    return `Agent(${this.id}, ${this.address})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
