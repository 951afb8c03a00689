/**
 * `SqliteHubStore`: the durable store of one hub process, in one SQLite file (hub.md §4).
 * Owns the order of the parts and their common life; tables are owned by `directory`, `prekeys`,
 * `queues`, `notices` and `remembered-ids`, transactions by `group-commit`.
 */
import type {
  BundleRequest,
  ClaimResult,
  CommitResult,
  ExpireRequest,
  ExpireResult,
  FetchQuery,
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
import type { StoreTimelines } from '@agentmesh/protocol';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { Backup } from './backup.js';
import { Directory } from './directory.js';
import { AGENT_BYTES, DirectoryShare, PREKEY_BYTES } from './directory-share.js';
import { DiskReserve } from './disk-reserve.js';
import { DiskSpace } from './disk-space.js';
import { noFailpoint } from './failpoint.js';
import type { Failpoint } from './failpoint.js';
import { FileLock } from './file-lock.js';
import { GroupCommit } from './group-commit.js';
import { HASH_KEY_BYTES, IdHasher } from './id-hash.js';
import type { LogKeeper } from './log-keeper.js';
import { storedBytes } from './meta.js';
import type { StoreOperations } from '../control/store-operations.js';
import { monotonicMs } from '../monotonic.js';
import { Notices } from './notices.js';
import { closeDatabase, prepareFile } from './open-database.js';
import { openLocked } from './open-locked.js';
import { SqliteOperations } from './operations.js';
import { Parties } from './parties.js';
import { Prekeys } from './prekeys.js';
import { Queues } from './queues.js';
import { RememberedIds } from './remembered-ids.js';
import { Usage } from './usage.js';
import type { IsConnected } from './usage.js';
import type { SqliteHubStoreOptions } from './sqlite-store-options.js';
import { HubStoreError, storeErrorOf } from './store-error.js';
import { historyOf } from './timelines.js';

const DEFAULT_MEMORY_IDS = 2_000_000;
/** What a change of the directory adds to the log: a few pages. */
const DIRECTORY_BYTES = 16_384;
const ROW_BYTES = 400;
/** Between two looks for what nobody will ask for any more. */
const SWEEP_MS = 60_000;
const FORGOTTEN_AT_ONCE = 100;
const RESERVE_FILE = 'hub.reserve';
const RESERVE_SHARE = 1 / 64;

/** A `HubStore` in a file. One process at a time: a second one gets STORE_LOCKED. */
export class SqliteHubStore implements HubStore {
  readonly #database: DatabaseSync;
  readonly #failpoint: Failpoint;
  readonly #log: LogKeeper;
  readonly #lock: FileLock;
  readonly #space: DiskSpace;
  readonly #reserve: DiskReserve;
  readonly #group: GroupCommit;
  readonly #directory: Directory;
  readonly #prekeys: Prekeys;
  readonly #notices: Notices;
  readonly #queues: Queues;
  readonly #parties: Parties;
  readonly #usage: Usage;
  readonly #share: DirectoryShare;
  readonly #copy: Backup;
  /** What an operator asks. */
  readonly operations: StoreOperations;
  #sweptMs = Number.NEGATIVE_INFINITY;
  /** As the hub said last; nobody may be forgotten before it has. */
  #present: { readonly nowMs: number; readonly isConnected: IsConnected } | null = null;
  #closing: Promise<void> | null = null;

  private constructor(
    { database, log, lock }: { database: DatabaseSync; log: LogKeeper; lock: FileLock },
    options: SqliteHubStoreOptions,
  ) {
    const { monotonic = monotonicMs, failpoint = noFailpoint } = options;
    const { random = systemHost.random, quotaBytes = null } = options;
    this.#database = database;
    this.#failpoint = failpoint;
    this.#log = log;
    this.#lock = lock;
    this.#space = new DiskSpace({ read: () => this.#log.read(), quotaBytes, monotonic });
    const reserveBytes = Math.min(1024 * 1024, this.#log.read().total * RESERVE_SHARE);
    this.#reserve = new DiskReserve(join(options.folder, RESERVE_FILE), Math.floor(reserveBytes));
    this.#reserve.hold();
    const remembered = new RememberedIds({
      database,
      hasher: new IdHasher(storedBytes(database, 'id_hash_key', () => random(HASH_KEY_BYTES))),
      memoryIds: options.memoryIds ?? DEFAULT_MEMORY_IDS,
    });
    this.#parties = new Parties(database);
    const parties = this.#parties;
    this.#group = new GroupCommit({
      database,
      followers: [parties, remembered],
      sync: () => this.#log.sync(),
      confirmFiles: () => this.#log.confirmFiles(),
      onCommit: () => this.#checkpoint(),
      onFatal: (error) => options.onFatal?.(error),
      monotonic,
      onCommitTime: options.onCommitTime ?? (() => undefined),
    });
    this.#usage = new Usage(database, parties);
    this.#share = new DirectoryShare({
      database,
      monotonic,
      capacity: () => this.#space.capacity(),
      makeRoom: () => this.#forgetInNeed(),
    });
    this.#directory = new Directory(database, parties, this.#usage);
    this.#prekeys = new Prekeys(database, parties);
    this.#notices = new Notices(database, parties);
    this.#queues = new Queues({
      database,
      parties,
      remembered,
      notices: this.#notices,
      usage: this.#usage,
      hasRoom: (bytes) => this.#hasRoom(bytes),
      failpoint,
    });
    this.#copy = new Backup(database);
    this.operations = new SqliteOperations({
      database,
      group: this.#group,
      write: (run) => this.#write(run),
      parties,
      usage: this.#usage,
      copy: this.#copy,
    });
  }

  /** Opens, checks, and if need be makes or migrates the file. Rejects with HubStoreError. */
  static async open(options: SqliteHubStoreOptions): Promise<SqliteHubStore> {
    const path = prepareFile(options.folder);
    const lock = await FileLock.take(path);
    try {
      return openLocked(options, path, (database, log) => {
        return new SqliteHubStore({ database, log, lock }, options);
      });
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Why every call is refused; null while the store works. */
  get failure(): HubStoreError | null {
    return this.#group.failure;
  }

  /** Whether new envelopes are refused for want of room on the disk or in the quota. */
  get isFull(): boolean {
    try {
      return this.#space.isFull;
    } catch {
      // A file system that does not answer is no full one: the next call says what it is.
      return false;
    }
  }

  hubSeed(create: () => Uint8Array): Promise<Uint8Array> {
    return this.#write(() => storedBytes(this.#database, 'hub_seed', create));
  }

  history(): Promise<StoreTimelines> {
    return this.#group.read(() => historyOf(this.#database));
  }

  counts(): Promise<StoreCounts> {
    return this.#group.read(() => {
      const { messages: envelopes, bytes } = this.#parties.totals;
      const { deadLettered } = this.#queues;
      return { agents: this.#directory.agents, envelopes, bytes, deadLettered };
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  claim(claim: NameClaim): Promise<ClaimResult> {
    return this.#write(() => {
      const isNew = !this.#directory.knows(claim.aid);
      if (isNew && claim.mayRegister) this.#keep(AGENT_BYTES);
      return this.#directory.claim(claim);
    });
  }

  leave(leaving: Leaving): Promise<void> {
    return this.#write(() => this.#directory.leave(leaving));
  }

  allLeft(nowMs: number): Promise<void> {
    return this.#write(() => this.#directory.allLeft(nowMs));
  }

  aidOfName(name: string): Promise<Uint8Array | null> {
    return this.#group.read(() => this.#directory.aidOfName(name));
  }

  putIdentity(update: IdentityUpdate): Promise<PutIdentityResult> {
    return this.#write(() => this.#directory.putIdentity(update));
  }

  putRevocation(update: RevocationUpdate): Promise<'stored' | 'unknown'> {
    return this.#write(() => this.#directory.putRevocation(update));
  }

  putPrekeys(update: PrekeyUpdate): Promise<PutPrekeysResult> {
    return this.#write(() => {
      this.#keep((update.oneTime.length + update.signed.length) * PREKEY_BYTES);
      const result = this.#prekeys.put(update);
      if (result.status === 'ok') this.#directory.relist(update.aid);
      return result;
    });
  }

  keys(aid: Uint8Array): Promise<KeyInventory> {
    return this.#group.read(() => this.#prekeys.keys(aid));
  }

  takeBundle(request: BundleRequest): Promise<StoredBundle | null> {
    const take = (): StoredBundle | null => {
      const published = this.#directory.published(request.aid);
      if (published === null) return null;
      const isOver = published.retired || published.revocation !== null;
      const signed = isOver ? null : this.#prekeys.newestSigned(request.aid);
      const wanted = request.oneTime && signed !== null;
      const oneTime = wanted ? this.#prekeys.takeOneTime(request) : null;
      return { ...published, signed, oneTime };
    };
    if (!request.oneTime) return this.#group.read(take);
    return this.#write(take, { afterCommit: () => this.#failpoint('prekey-taken') });
  }

  names(query: NameQuery): Promise<readonly string[]> {
    return this.#group.read(() => this.#directory.names(query));
  }

  async commit(changes: QueueChanges): Promise<CommitResult> {
    try {
      return await this.#commit(changes);
    } catch (error) {
      if (!(error instanceof HubStoreError) || error.code !== 'STORE_FULL') throw error;
      // With the doubt every append is answered `storage`; what remains fits into the reserve, and
      // moving the log into the database makes room in it.
      this.#space.doubt();
      this.#reserve.release();
      this.#checkpoint(true);
      return this.#commit(changes);
    }
  }

  read(query: QueueQuery): Promise<QueuePage> {
    return this.#group.read(() => this.#queues.read(query));
  }

  outline(query: OutlineQuery): Promise<QueueOutline> {
    return this.#group.read(() => this.#queues.outline(query));
  }

  fetch(query: FetchQuery): Promise<readonly QueueEntry[]> {
    return this.#group.read(() => this.#queues.fetch(query));
  }

  queued(recipient: Uint8Array): Promise<number> {
    return this.#group.read(() => this.#queues.queued(recipient));
  }

  expire(request: ExpireRequest): Promise<ExpireResult> {
    return this.#write(() => {
      const expired = this.#queues.expire(request);
      const forgotten = this.#directory.forgetLeft(request);
      return { ...expired, forgotten, more: this.#sweep(request) || expired.more };
    });
  }

  notices(query: NoticeQuery): Promise<readonly StoredNotice[]> {
    return this.#group.read(() => this.#notices.read(query));
  }

  dropNotices({ sender, upTo }: { sender: Uint8Array; upTo: number }): Promise<void> {
    return this.#write(() => this.#notices.drop(sender, upTo));
  }

  #forgetInNeed(): number {
    if (this.#present === null) return 0;
    return this.#usage.forgetUnused({ ...this.#present, max: FORGOTTEN_AT_ONCE, inNeed: true });
  }

  /** Throws STORE_FULL where names and keys have used up their part of the disk. */
  #keep(bytes: number): void {
    if (this.#share.take(bytes)) return;
    throw new HubStoreError('STORE_FULL', { detail: 'names and keys fill half of it' });
  }

  /** Prekeys that ran out, and identities that were never used; whether there may be more. */
  #sweep({ nowMs, max, isConnected }: ExpireRequest): boolean {
    if (isConnected === undefined) return false;
    this.#present = { nowMs, isConnected };
    if (nowMs - this.#sweptMs < SWEEP_MS) return false;
    const forgotten = this.#usage.forgetUnused({ nowMs, max, isConnected });
    const more = this.#prekeys.expire(nowMs, max) || forgotten === max;
    if (!more) this.#sweptMs = nowMs;
    return more;
  }

  async #close(): Promise<void> {
    await this.#copy.close();
    await this.#group.close();
    this.#reserve.release();
    this.#log.close();
    try {
      closeDatabase(this.#database);
    } catch (thrown) {
      throw storeErrorOf(thrown);
    } finally {
      await this.#lock.release();
    }
  }

  #commit(changes: QueueChanges): Promise<CommitResult> {
    const { append, acknowledge, reschedule, deadLetter } = changes;
    let bytes = 0;
    for (const { blob } of append) bytes += blob.length + ROW_BYTES;
    const others = acknowledge.length + reschedule.length + deadLetter.length;
    const run = (): CommitResult => {
      if (append.length > 0) this.#failpoint('frame-read');
      const result = this.#queues.commit(changes);
      if (acknowledge.length > 0) this.#failpoint('acknowledging');
      return result;
    };
    return this.#write(run, {
      weight: append.length + others,
      bytes: bytes + others * ROW_BYTES,
      afterCommit: () => this.#failpoint('committed'),
    });
  }

  #write<T>(
    run: () => T,
    options: { weight?: number; bytes?: number; afterCommit?: () => void } = {},
  ): Promise<T> {
    const { weight = 1, bytes = DIRECTORY_BYTES, afterCommit = () => undefined } = options;
    this.#log.wrote(bytes);
    return this.#group.add({ run, weight, afterCommit });
  }

  /** There is room again: the reserve is filled before anything new is. */
  #hasRoom(bytes: number): boolean {
    const hasRoom = this.#space.take(bytes);
    if (hasRoom) this.#reserve.hold();
    return hasRoom;
  }

  #checkpoint(now = false): void {
    try {
      if (now) this.#log.checkpoint();
      else this.#log.checkpointIfDue();
    } catch (error) {
      this.#group.fail(storeErrorOf(error));
    }
  }
}
