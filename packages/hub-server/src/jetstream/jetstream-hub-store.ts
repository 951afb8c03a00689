/**
 * `JetStreamHubStore`: one durable store for any number of hubs, in NATS JetStream (hub.md §4).
 * Owns opening, the layout's choice and the common life of the parts; each part owns its own
 * streams and documents. Why it lies as it does: docs/decisions/0007-jetstream-layout.md.
 */
import type {
  BundleRequest,
  ClaimResult,
  CommitResult,
  ExpireRequest,
  ExpireResult,
  FetchQuery,
  HubNeighbours,
  HubStore,
  IdentityUpdate,
  KeyInventory,
  Leaving,
  NameClaim,
  NameQuery,
  NoticeQuery,
  OutlineQuery,
  PrekeyUpdate,
  PutIdentityResult,
  PutPrekeysResult,
  QueueChanges,
  QueueEntry,
  QueueOutline,
  QueuePage,
  QueueQuery,
  RevocationUpdate,
  StoreCounts,
  StoredBundle,
  StoredNotice,
} from '@agentmesh/hub-local';
import { systemHost } from '@agentmesh/hub-local';
import { HubKeyPair, toBase64Url } from '@agentmesh/protocol';
import type { StoreTimelines } from '@agentmesh/protocol';
import * as z from 'zod';
import type { StoreOperations } from '../control/store-operations.js';
import { readHubKeyFile, readOrMakeHubKeyFile, removeHubKeyFile } from '../hub-key-file.js';
import { monotonicMs } from '../monotonic.js';
import { Appender } from './appender.js';
import { Attempts } from './attempts.js';
import { Directory } from './directory.js';
import { Documents } from './documents.js';
import { HandedOverEnvelopes } from './handed-over.js';
import { JetStreamStoreError } from './jetstream-error.js';
import type { Layout } from './layout.js';
import { madeLayout } from './made-layout.js';
import type { MadeLayout } from './made-layout.js';
import { NameIndex } from './name-index.js';
import { NatsLink } from './nats-link.js';
import { JetStreamNeighbours } from './neighbours.js';
import { natsOptions } from './nats-address.js';
import type { NatsAccess } from './nats-address.js';
import { Notices } from './notices.js';
import { JetStreamOperations } from './operations.js';
import { Prekeys } from './prekeys.js';
import { QueueLedgers } from './queue-ledgers.js';
import { Queues } from './queues.js';
import { RememberedIds } from './remembered-ids.js';
import { StoredEnvelopes } from './stored-envelopes.js';
import { Sweeper } from './sweeper.js';
import { Timelines } from './timelines.js';

/** How to reach the store. Only `servers` and `hubKeyFile` have no default. */
export interface JetStreamHubStoreOptions extends NatsAccess {
  /**
   * The hub's key: the same on every hub over this store. Made by the first hub there is; the store
   * itself keeps only the public half, and refuses another one.
   */
  readonly hubKeyFile: string;
  /** Begins the names of all streams and subjects: letters and digits. Default: `agentmesh`. */
  readonly prefix?: string | undefined;
  /**
   * Copies of each stream, 1 to 5; counts only for the hub that makes the store. Default: 3 where
   * NATS is a cluster, else 1.
   */
  readonly replicas?: number | undefined;
  /** Streams for queues; counts only for the hub that makes the store. Default: 4. */
  readonly shards?: number | undefined;
  /** Largest blob that must fit into a message of NATS. Default: 1 MiB. */
  readonly maxBlobBytes?: number | undefined;
  /** How long one operation waits for a leader and an answer. Default: 10 s. */
  readonly patienceMs?: number | undefined;
  /** NATS will not let this hub in again; every call is refused from now on. */
  readonly onFatal?: ((error: JetStreamStoreError) => void) | undefined;
}

const keyShape = z.object({ publicKey: z.base64url() });
const deadShape = z.object({ count: z.number() });

const DEFAULT_SHARDS = 4;
const DEFAULT_BLOB_BYTES = 1_048_576;
const CLUSTER_REPLICAS = 3;
const DEFAULT_PATIENCE_MS = 10_000;
const HEADER_ROOM = 1_024;
/** Between two looks for agents that have left for good. */
const FORGET_MS = 60_000;
/** Part of the account's storage that envelopes may fill. */
const FULL = 0.9;

/** A `HubStore` in NATS. Any number of hubs may open the same one. */
export class JetStreamHubStore implements HubStore {
  readonly #link: NatsLink;
  readonly #layout: Layout;
  readonly #documents: Documents;
  readonly #directory: Directory;
  readonly #names: NameIndex;
  readonly #prekeys: Prekeys;
  readonly #queues: Queues;
  readonly #notices: Notices;
  readonly #sweeper: Sweeper;
  readonly #ledgers: QueueLedgers;
  readonly #hubKeyFile: string;
  /** Names this hub among all. */
  readonly #owner: string;
  /** Whether nothing new is taken, as the account was when last looked at. */
  #isFull = false;
  #forgotMs = Number.NEGATIVE_INFINITY;
  readonly #neighbours: JetStreamNeighbours;
  /** What an operator asks. */
  readonly operations: StoreOperations;
  readonly #timelines: Timelines;

  private constructor(link: NatsLink, { layout, handsOver }: MadeLayout, hubKeyFile: string) {
    this.#link = link;
    this.#layout = layout;
    this.#hubKeyFile = hubKeyFile;
    this.#owner = toBase64Url(systemHost.random(12));
    const owner = this.#owner;
    this.#documents = new Documents(link);
    const documents = this.#documents;
    const standing = (aid: Uint8Array) => this.#directory.standing(aid);
    const isConnectedAt = (hub: string, aid: Uint8Array) =>
      this.#neighbours.isConnectedAt(hub, aid);
    const parts = { documents, layout, owner, monotonic: monotonicMs, isConnectedAt };
    this.#directory = new Directory(parts);
    this.#timelines = new Timelines(documents, layout, systemHost.random);
    link.onRestored(() => this.#timelines.doubt());
    this.#names = new NameIndex(link, layout);
    this.#prekeys = new Prekeys(link, documents, layout);
    this.#notices = new Notices(link, layout);
    const notices = this.#notices;
    const ids = new RememberedIds();
    this.#ledgers = new QueueLedgers(link, layout, monotonicMs);
    const ledgers = this.#ledgers;
    const envelopes = new StoredEnvelopes({ link, layout, ledgers });
    const handedOver = handsOver ? new HandedOverEnvelopes({ link, layout, envelopes }) : null;
    this.#neighbours = new JetStreamNeighbours({ link, layout, owner, standing, handedOver });
    const directory = this.#directory;
    this.#queues = new Queues({
      link,
      layout,
      appender: new Appender({ link, layout, directory, ids, ledgers, envelopes }),
      envelopes,
      ledgers,
      attempts: new Attempts(documents, layout),
      notices,
      countDead: (count) => this.#countDead(count),
    });
    const queues = this.#queues;
    this.#sweeper = new Sweeper({ link, layout, documents, queues, notices, owner });
    const names = this.#names;
    this.operations = new JetStreamOperations({ link, layout, directory, ledgers, names });
  }

  /**
   * Connects and makes what is missing. STORE_UNREACHABLE, STORE_CREDENTIALS, STORE_UNSUITABLE,
   * STORE_VERSION, STORE_UNAVAILABLE while its nodes have no majority.
   */
  static async open(options: JetStreamHubStoreOptions): Promise<JetStreamHubStore> {
    const { prefix = 'agentmesh', maxBlobBytes = DEFAULT_BLOB_BYTES } = options;
    const link = await NatsLink.open({
      connection: natsOptions(options),
      patienceMs: options.patienceMs ?? DEFAULT_PATIENCE_MS,
      onClosed: (error) => options.onFatal?.(error),
    });
    try {
      if (link.maxPayload < maxBlobBytes + HEADER_ROOM) {
        const detail = `max_payload is ${link.maxPayload}: set it to 2MB in every node`;
        throw new JetStreamStoreError('STORE_UNSUITABLE', { detail });
      }
      const { shards: wished = DEFAULT_SHARDS } = options;
      const replicas = options.replicas ?? (link.isClustered ? CLUSTER_REPLICAS : 1);
      const queues = await madeLayout(link, prefix, { shards: wished, replicas });
      return new JetStreamHubStore(link, queues, options.hubKeyFile);
    } catch (thrown) {
      await link.close();
      throw thrown;
    }
  }

  get neighbours(): HubNeighbours {
    return this.#neighbours;
  }

  /** From the file; STORE_HUB_KEY unless the store is bound to it or free. */
  async hubSeed(create: () => Uint8Array): Promise<Uint8Array> {
    const kind = { stream: this.#layout.meta, shape: keyShape };
    const subject = this.#layout.metaSubject('key');
    const file = this.#hubKeyFile;
    const bound = await this.#documents.get(kind, subject);
    if (bound !== null && readHubKeyFile(file) === null) {
      const detail = `there is no ${file}, and the store has the key ${bound.value.publicKey}`;
      throw new JetStreamStoreError('STORE_HUB_KEY', { detail });
    }
    // The file first: a key that the store is bound to and nobody has would be the end of it.
    const { seed, isMade } = readOrMakeHubKeyFile(file, create);
    const publicKey = toBase64Url(HubKeyPair.fromSeed(seed).publicKey);
    const chosen = await this.#documents.update(kind, subject, (stored) => {
      const value = { publicKey };
      return stored === null ? { value, result: value } : { value: null, result: stored };
    });
    if (chosen.publicKey === publicKey) return seed;
    if (isMade) removeHubKeyFile(file);
    const detail = `${file} has ${publicKey}, the store ${chosen.publicKey}`;
    throw new JetStreamStoreError('STORE_HUB_KEY', { detail });
  }

  history(): Promise<StoreTimelines> {
    return this.#timelines.read();
  }

  async counts(): Promise<StoreCounts> {
    const shards = Array.from({ length: this.#layout.shards }, (_, shard) => shard);
    const kind = { stream: this.#layout.meta, shape: deadShape };
    const [names, dead, ...queues] = await Promise.all([
      this.#link.state(this.#layout.names),
      this.#documents.get(kind, this.#layout.metaSubject('dead')),
      ...shards.map((shard) => this.#link.state(this.#layout.queueStream(shard))),
    ]);
    const envelopes = queues.reduce((sum, { messages }) => sum + messages, 0);
    const bytes = queues.reduce(
      (sum, state, shard) => sum + state.bytes - state.messages * this.#layout.overheadOf(shard),
      0,
    );
    return {
      agents: names.messages,
      envelopes,
      bytes: Math.max(0, bytes),
      deadLettered: dead?.value.count ?? 0,
    };
  }

  async close(): Promise<void> {
    try {
      await this.#sweeper.release();
    } catch (thrown) {
      // The lease ends by itself; whatever else is wrong, closing succeeds.
      if (!(thrown instanceof JetStreamStoreError)) throw thrown;
    } finally {
      await this.#link.close();
    }
  }

  /** Resolves when the hub of the last connection has let go of the agent, or does not answer. */
  async claim(claim: NameClaim): Promise<ClaimResult> {
    const { result, cameFrom } = await this.#directory.claim(claim);
    if (result.status !== 'ok') return result;
    if (result.forgotten !== null) await this.#prekeys.drop(result.forgotten);
    if (claim.opening === null) return result;
    // Who had left is listed again.
    if (result.isTransient && !result.registered) await this.#relist(claim.aid);
    if (cameFrom !== null && cameFrom !== this.#owner) this.#ledgers.doubt();
    const arrival = { aid: claim.aid, connection: result.connection, cameFrom };
    return { ...result, spent: await this.#neighbours.takeOver(arrival) };
  }

  leave(leaving: Leaving): Promise<void> {
    return this.#directory.leave(leaving);
  }

  /** A hub of several does not know who is connected to the others. */
  allLeft(): Promise<void> {
    return Promise.resolve();
  }

  aidOfName(name: string): Promise<Uint8Array | null> {
    return this.#directory.aidOfName(name);
  }

  async putIdentity(update: IdentityUpdate): Promise<PutIdentityResult> {
    const result = await this.#directory.putIdentity(update);
    if (result === 'stored') await this.#relist(update.subject);
    return result;
  }

  async putRevocation(update: RevocationUpdate): Promise<'stored' | 'unknown'> {
    const result = await this.#directory.putRevocation(update);
    if (result === 'stored') await this.#relist(update.aid);
    return result;
  }

  async putPrekeys(update: PrekeyUpdate): Promise<PutPrekeysResult> {
    const refusal = await this.#directory.prekeyRefusal(update.aid);
    if (refusal !== null) return { status: refusal };
    const result = await this.#prekeys.put(update);
    if (result.status === 'ok') await this.#directory.relist(update.aid, hasSigned(result.keys));
    return result;
  }

  keys(aid: Uint8Array): Promise<KeyInventory> {
    return this.#prekeys.inventory(aid);
  }

  async takeBundle({ aid, oneTime, nowMs }: BundleRequest): Promise<StoredBundle | null> {
    const [published, newest] = await Promise.all([
      this.#directory.published(aid),
      this.#prekeys.newestSigned(aid),
    ]);
    if (published === null) return null;
    const signed = published.retired || published.revocation !== null ? null : newest;
    const wanted = oneTime && signed !== null;
    const taken = wanted ? await this.#prekeys.takeOneTime(aid, nowMs) : null;
    return { ...published, signed, oneTime: taken };
  }

  names(query: NameQuery): Promise<readonly string[]> {
    return this.#names.names(query);
  }

  async commit(changes: QueueChanges): Promise<CommitResult> {
    if (!this.#isFull) return this.#queues.commit(changes);
    // The rest of the room is for emptying queues and for connecting.
    const { notified } = await this.#queues.commit({ ...changes, append: [] });
    return { notified, appended: changes.append.map(() => ({ status: 'storage' })) };
  }

  read(query: QueueQuery): Promise<QueuePage> {
    return this.#queues.read(query);
  }

  outline(query: OutlineQuery): Promise<QueueOutline> {
    return this.#queues.outline(query);
  }

  fetch(query: FetchQuery): Promise<readonly QueueEntry[]> {
    return this.#queues.fetch(query);
  }

  queued(recipient: Uint8Array): Promise<number> {
    return this.#queues.queued(recipient);
  }

  async expire(request: ExpireRequest): Promise<ExpireResult> {
    this.#isFull = (await this.#link.fullness()) >= FULL;
    const expired = await this.#sweeper.expire(request);
    if (this.#sweeper.isSweeping) await this.#prekeys.expire(request.nowMs);
    return { ...expired, forgotten: await this.#forgetLeft(request) };
  }

  notices(query: NoticeQuery): Promise<readonly StoredNotice[]> {
    return this.#notices.read(query);
  }

  dropNotices({ sender, upTo }: { sender: Uint8Array; upTo: number }): Promise<void> {
    return this.#notices.drop(sender, upTo);
  }

  /** The hub that sweeps does it, from time to time. */
  async #forgetLeft({ nowMs, max, transientMs }: ExpireRequest): Promise<readonly Uint8Array[]> {
    const isTime = Math.abs(nowMs - this.#forgotMs) >= FORGET_MS;
    if (transientMs === undefined || !isTime || !this.#sweeper.isSweeping) return [];
    this.#forgotMs = nowMs;
    const left = await this.#names.leftBefore(nowMs - transientMs, max);
    const forgotten: Uint8Array[] = [];
    for (const each of left) {
      const aid = await this.#directory.forgetLeft(each.name, nowMs - transientMs);
      this.#names.settled(each);
      if (aid === null) continue;
      await this.#prekeys.drop(aid);
      forgotten.push(aid);
    }
    return forgotten;
  }

  async #relist(aid: Uint8Array): Promise<void> {
    await this.#directory.relist(aid, hasSigned(await this.#prekeys.inventory(aid)));
  }

  #countDead(count: number): Promise<void> {
    const kind = { stream: this.#layout.meta, shape: deadShape };
    return this.#documents.update(kind, this.#layout.metaSubject('dead'), (stored) => ({
      value: { count: (stored?.count ?? 0) + count },
      result: undefined,
    }));
  }
}

function hasSigned({ newestSigned }: KeyInventory): boolean {
  return newestSigned !== null;
}
