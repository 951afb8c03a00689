/**
 * The one connection of a hub to NATS, and the few operations of JetStream that the store is made
 * of. Owns connecting, patience with leader elections and the translation of failures; knows
 * nothing of agents. Reads go to the stream's leader: a replica may lag behind what was written.
 */
import { jetstream } from '@nats-io/jetstream';
import type { JetStreamClient, JetStreamManager, StreamState } from '@nats-io/jetstream';
import { PermissionViolationError } from '@nats-io/transport-node';
import type { Msg, NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import { monotonicMs } from '../monotonic.js';
import {
  hasApiCode,
  ID_IN_PROCESS,
  jetStreamErrorOf,
  JetStreamStoreError,
  NO_MESSAGE,
  WRONG_LAST_SEQUENCE,
} from './jetstream-error.js';
import { NOTE_HEADER } from './layout.js';
import { enterNats, managerOf } from './nats-entrance.js';
import { NatsRequests } from './nats-requests.js';
import { ackIn, publishHeaders, removalOf, wasRemoved } from './nats-wire.js';
import { madeStream } from './made-stream.js';
import type { StreamPlan } from './layout.js';
import { passedOnIn } from './stream-entry.js';
import type { PassedOn, StreamEntry } from './stream-entry.js';
import { readUpTo } from './stream-reading.js';

/** How to publish. */
export interface PublishOptions {
  /** Sequence that the subject's last message must have; 0 for none at all. */
  readonly expected?: number;
  /** Within its window of two minutes NATS takes a second message with this id for the first. */
  readonly messageId?: string;
  readonly note?: string;
  /** False where a later try would break an order. Default: true. */
  readonly patient?: boolean;
}

/** Which part of a stream to read, from a sequence on. */
export interface ScanQuery {
  readonly stream: string;
  readonly subject: string;
  readonly from: number;
  readonly max: number;
  readonly headersOnly: boolean;
}

/** A place in a stream that NATS keeps for us under a name of its own. */
export type StreamReader = Pick<ScanQuery, 'stream' | 'from'> & { readonly name: string };

export interface NatsLinkOptions {
  readonly connection: NodeConnectionOptions;
  /** How long one operation may wait for a leader and its answer. */
  readonly patienceMs: number;
  /** NATS will not let us in again. */
  readonly onClosed: (error: JetStreamStoreError) => void;
}

const RETRY_MS = 100;
/** A stream without a leader does not answer at all: time to ask again. */
const ATTEMPT_MS = 2_000;
/** What must not be tried again here is given up sooner: its sender tries again. */
const ORDERED_MS = 5_000;
/** Longer than an election takes. */
const SILENCE_MS = 10_000;
const NANOS = 1_000_000;
/** NATS removes a reader that nobody asks any more. */
const READER_IDLE_MS = 60_000;
const DELETE_FAILED = 10_057;
const NO_ROOM_FOR_REPLICAS = [10_005, 10_074];

/** Open from {@link NatsLink.open} to {@link NatsLink.close}. */
export class NatsLink {
  readonly #connection: NatsConnection;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #options: NatsLinkOptions;
  readonly #requests: NatsRequests;
  readonly #restored = new Set<() => void>();
  #isUp = true;
  #isClosing = false;
  /** When JetStream did something for us, or we changed the node. */
  #answeredMs = monotonicMs();

  private constructor(
    connection: NatsConnection,
    manager: JetStreamManager,
    options: NatsLinkOptions,
  ) {
    this.#connection = connection;
    this.#client = jetstream(connection, { timeout: options.patienceMs });
    this.#manager = manager;
    this.#requests = new NatsRequests(connection);
    this.#options = options;
    void this.#follow();
  }

  /** STORE_UNREACHABLE, STORE_CREDENTIALS, or STORE_UNSUITABLE without JetStream. */
  static async open(options: NatsLinkOptions): Promise<NatsLink> {
    const { patienceMs, connection: settings } = options;
    let connection: NatsConnection | null = null;
    try {
      connection = await enterNats(settings);
      const timeout = Math.min(patienceMs, ATTEMPT_MS);
      const manager = await managerOf(connection, timeout);
      return new NatsLink(connection, manager, options);
    } catch (thrown) {
      await connection?.close();
      throw jetStreamErrorOf(thrown);
    }
  }

  /** Largest message that this server takes, headers included. */
  get maxPayload(): number {
    return this.#connection.info?.max_payload ?? 0;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#connection.close();
  }

  /** Whether this server belongs to a cluster. */
  get isClustered(): boolean {
    return this.#connection.info?.cluster !== undefined;
  }

  /** Publishes without keeping: who is not there does not hear it. */
  tell(subject: string, data: Uint8Array): void {
    if (this.#isUp && !this.#isClosing) this.#connection.publish(subject, data);
  }

  /** Hears what is told, until the returned function is called. */
  listen(
    subject: string,
    hear: (data: Uint8Array, reply: (data: Uint8Array) => void) => void,
  ): () => void {
    const callback = (error: Error | null, message: Msg): void => {
      if (error === null) hear(message.data, (data) => message.respond(data));
    };
    const subscription = this.#connection.subscribe(subject, { callback });
    return () => subscription.unsubscribe();
  }

  /**
   * Hears what a stream passes on as it stores it, until the returned function is called; null for
   * what no stream has passed on.
   */
  hearStored(subject: string, hear: (stored: PassedOn | null) => void): () => void {
    const callback = (error: Error | null, message: Msg): void => {
      if (error === null) hear(passedOnIn(message));
    };
    const subscription = this.#connection.subscribe(subject, { callback });
    return () => subscription.unsubscribe();
  }

  /** Asks the subscribers; null if there are none, or none answers in time. */
  async ask(subject: string, data: Uint8Array, timeoutMs: number): Promise<Uint8Array | null> {
    try {
      const answer = await this.#once(() =>
        this.#connection.request(subject, data, { timeout: timeoutMs }),
      );
      return answer.data;
    } catch (thrown) {
      if (jetStreamErrorOf(thrown).retryable) return null;
      throw thrown;
    }
  }

  /** Called whenever NATS is back after it was out of reach. */
  onRestored(task: () => void): () => void {
    this.#restored.add(task);
    return () => this.#restored.delete(task);
  }

  /** See `madeStream`. */
  async ensureStream(plan: StreamPlan, replicas: number): Promise<boolean> {
    try {
      return await this.#patiently(() => madeStream(this.#manager, plan, replicas));
    } catch (thrown) {
      if (!hasApiCode(thrown, NO_ROOM_FOR_REPLICAS)) throw thrown;
      const detail = `${replicas} copies need as many nodes: start them, or ask for fewer copies`;
      throw new JetStreamStoreError('STORE_UNSUITABLE', { detail, cause: thrown });
    }
  }

  /**
   * Resolves with the sequence once stored; null if `expected` did not hold. A `duplicate` is what
   * NATS remembers of an id, which is not yet stored where `seq` is 0, and may never be.
   *
   * With replicas nats-server 2.9 checks a sequence above 0 only before it replicates: of several
   * writers more than one succeeds. Its check of message ids is exact: one names the revision.
   */
  async publish(
    subject: string,
    data: Uint8Array,
    { expected, messageId, note, patient = true }: PublishOptions = {},
  ): Promise<{ readonly seq: number; readonly duplicate: boolean } | null> {
    const isReplacing = expected !== undefined && expected > 0;
    const id = isReplacing ? `${subject}@${expected}` : messageId;
    const timeoutMs = Math.min(this.#options.patienceMs, patient ? ATTEMPT_MS : ORDERED_MS);
    const options = { timeoutMs, headers: publishHeaders({ expected, id, note }) };
    const run = async () => ackIn(await this.#requests.ask(subject, data, options));
    try {
      const ack = await (patient ? this.#patiently(run) : this.#once(run));
      return isReplacing && ack.duplicate ? null : ack;
    } catch (thrown) {
      if (hasApiCode(thrown, [WRONG_LAST_SEQUENCE])) return null;
      if (!hasApiCode(thrown, [ID_IN_PROCESS])) throw thrown;
      return isReplacing ? null : { seq: 0, duplicate: true };
    }
  }

  /** The last message of a subject. */
  last(stream: string, subject: string): Promise<StreamEntry | null> {
    return this.#get(stream, { last_by_subj: subject });
  }

  /** The message with this sequence. */
  at(stream: string, seq: number): Promise<StreamEntry | null> {
    return this.#get(stream, { seq });
  }

  /** The first message of a subject, wildcards allowed, with this sequence or a higher one. */
  next(stream: string, subject: string, seq: number): Promise<StreamEntry | null> {
    // The client's type leaves `next_by_subj` to its direct reads, which any replica answers.
    const query = { seq, next_by_subj: subject };
    return this.#get(stream, query);
  }

  /** True if this very call removed it: of several at the same time one gets that answer. */
  async remove(stream: string, seq: number): Promise<boolean> {
    try {
      const { subject, question } = removalOf(stream, seq);
      const options = { timeoutMs: Math.min(this.#options.patienceMs, ATTEMPT_MS) };
      return await this.#patiently(async () =>
        wasRemoved(await this.#requests.ask(subject, question, options)),
      );
    } catch (thrown) {
      if (hasApiCode(thrown, NO_MESSAGE)) return false;
      // With replicas its number does not say why it failed: mostly because it is gone already.
      const isGone = hasApiCode(thrown, [DELETE_FAILED]) && (await this.at(stream, seq)) === null;
      if (isGone) return false;
      throw thrown;
    }
  }

  async state(stream: string): Promise<StreamState> {
    return (await this.#patiently(() => this.#manager.streams.info(stream))).state;
  }

  /** Which part of the account's storage is taken; 0 where NATS sets it no limit. */
  async fullness(): Promise<number> {
    const { storage, limits } = await this.#patiently(() => this.#manager.getAccountInfo());
    return limits.max_storage > 0 ? storage / limits.max_storage : 0;
  }

  /** Messages of each subject that has any; wildcards allowed. */
  async counts(stream: string, subject: string): Promise<Readonly<Record<string, number>>> {
    const filter = { subjects_filter: subject };
    const { state } = await this.#patiently(() => this.#manager.streams.info(stream, filter));
    return state.subjects ?? {};
  }

  /** Reads many messages at once. A replica may answer: what was just written may be missing. */
  async scan(query: ScanQuery): Promise<StreamEntry[]> {
    const reader = await this.openReader(query);
    try {
      return await this.read(reader, query.max);
    } finally {
      await this.#manager.consumers.delete(reader.stream, reader.name).catch(() => false);
    }
  }

  /** Kept until a minute passes without a read. */
  async openReader(query: Omit<ScanQuery, 'max'>): Promise<StreamReader> {
    const info = await this.#patiently(() =>
      this.#manager.consumers.add(query.stream, {
        filter_subject: query.subject,
        deliver_policy: 'by_start_sequence',
        opt_start_seq: Math.max(1, query.from),
        ack_policy: 'none',
        headers_only: query.headersOnly,
        mem_storage: true,
        num_replicas: 1,
        inactive_threshold: READER_IDLE_MS * NANOS,
      }),
    );
    return { stream: query.stream, from: query.from, name: info.name };
  }

  /** What is there now, up to `max`: a replica that lags may have begun at its own end, earlier. */
  async read({ stream, from, name }: StreamReader, max: number): Promise<StreamEntry[]> {
    return this.#once(async () => {
      const consumer = await this.#client.consumers.get(stream, name);
      const entries = await readUpTo(consumer, max);
      return entries.filter(({ seq }) => seq >= from);
    });
  }

  async #get(
    stream: string,
    query: { seq: number } | { last_by_subj: string },
  ): Promise<StreamEntry | null> {
    const found = await this.#patiently(() => this.#manager.streams.getMessage(stream, query));
    if (found === null) return null;
    const { seq, subject, data, header } = found;
    return { seq, subject, data, note: header.get(NOTE_HEADER), size: data.length };
  }

  /** Fails at once while NATS is out of reach: nothing piles up for it. */
  async #once<T>(run: () => Promise<T>): Promise<T> {
    if (this.#isClosing) throw new JetStreamStoreError('STORE_CLOSED');
    if (!this.#isUp) throw new JetStreamStoreError('STORE_UNREACHABLE');
    try {
      const result = await run();
      this.#answeredMs = monotonicMs();
      return result;
    } catch (thrown) {
      const error = jetStreamErrorOf(thrown);
      if (error.code === 'STORE_UNAVAILABLE') this.#moveOnIfSilent();
      else this.#answeredMs = monotonicMs();
      throw error;
    }
  }

  /** Waits for a new leader. Only for what may happen twice without harm. */
  async #patiently<T>(run: () => Promise<T>): Promise<T> {
    const endMs = monotonicMs() + this.#options.patienceMs;
    for (;;) {
      try {
        return await this.#once(run);
      } catch (thrown) {
        const { code } = jetStreamErrorOf(thrown);
        if (code !== 'STORE_UNAVAILABLE' || monotonicMs() + RETRY_MS >= endMs) throw thrown;
        await new Promise((resolve) => {
          setTimeout(resolve, RETRY_MS);
        });
      }
    }
  }

  /** A node that was cut off from the others stays up and leads nowhere: time for another one. */
  #moveOnIfSilent(): void {
    if (monotonicMs() - this.#answeredMs < SILENCE_MS) return;
    this.#answeredMs = monotonicMs();
    void this.#connection.reconnect().catch(() => false);
  }

  async #follow(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect') this.#isUp = false;
      if (status.type === 'error' && status.error instanceof PermissionViolationError) {
        this.#requests.denied(status.error.subject, status.error);
      }
      if (status.type !== 'reconnect') continue;
      this.#isUp = true;
      for (const task of this.#restored) task();
    }
    this.#isUp = false;
    this.#requests.end(new JetStreamStoreError('STORE_UNREACHABLE'));
    const reason = await this.#connection.closed();
    if (!this.#isClosing) this.#options.onClosed(jetStreamErrorOf(reason ?? null));
  }
}
