/**
 * A hub's store that can be put back: all that was ever written to it, in order. A beginning of
 * that is an earlier state, as a backup is. Owns the order only; delays of a call are its user's.
 */
import { MemoryHubStore } from '@agentmesh/hub-local';
import type { CommitResult, HubStore, QueueChanges } from '@agentmesh/hub-local';

/** When a call takes effect, and when its answer comes. */
export type Call = <T>(act: () => Promise<T>, writes: boolean) => Promise<T>;

type Effect<T> = (rows: MemoryHubStore) => Promise<T>;

/** An empty store, whose ids are the same in every run. */
function newStore(copy: number): MemoryHubStore {
  let ids = 2 * copy;
  return new MemoryHubStore({
    random: (length) => {
      ids += 1;
      return new Uint8Array(length).fill(ids);
    },
  });
}

export class HubHistory {
  #rows = newStore(0);
  /** How often it was put back: each copy is another store. */
  #copies = 0;
  #writes: Effect<unknown>[] = [];
  /** The hub's key, which every copy has. */
  #seed: Uint8Array | null = null;
  readonly #onStored: (envelopeId: Uint8Array) => void;

  /** `onStored`: told of every envelope that was stored, as it was. */
  constructor(onStored: (envelopeId: Uint8Array) => void = () => {}) {
    this.#onStored = onStored;
  }

  /** How many writes made the present state. */
  get length(): number {
    return this.#writes.length;
  }

  /** Puts everything back to what it was after so many writes: each acts at once. */
  goBack(length: number): void {
    this.#copies += 1;
    this.#rows = newStore(this.#copies);
    this.#writes = this.#writes.slice(0, length);
    for (const write of this.#writes) void write(this.#rows);
  }

  /** The store of one process of the hub. */
  store(call: Call = (act) => act()): HubStore {
    const read = <T>(effect: Effect<T>): Promise<T> => call(() => effect(this.#rows), false);
    const write = <T>(effect: Effect<T>): Promise<T> =>
      call(() => {
        this.#writes.push(effect);
        return effect(this.#rows);
      }, true);
    return {
      hubSeed: (create) => write((rows) => rows.hubSeed(() => (this.#seed ??= create()))),
      counts: () => read((rows) => rows.counts()),
      close: () => Promise.resolve(),
      history: () => read((rows) => rows.history()),
      claim: (claim) => write((rows) => rows.claim(claim)),
      leave: (leaving) => write((rows) => rows.leave(leaving)),
      allLeft: (nowMs) => write((rows) => rows.allLeft(nowMs)),
      aidOfName: (name) => read((rows) => rows.aidOfName(name)),
      putIdentity: (update) => write((rows) => rows.putIdentity(update)),
      putPrekeys: (update) => write((rows) => rows.putPrekeys(update)),
      putRevocation: (update) => write((rows) => rows.putRevocation(update)),
      keys: (aid) => read((rows) => rows.keys(aid)),
      takeBundle: (request) => write((rows) => rows.takeBundle(request)),
      names: (query) => read((rows) => rows.names(query)),
      commit: (changes) =>
        call(async () => {
          this.#writes.push((rows) => rows.commit(changes));
          const result = await this.#rows.commit(changes);
          this.#tell(changes, result);
          return result;
        }, true),
      read: (query) => read((rows) => rows.read(query)),
      outline: (query) => read((rows) => rows.outline(query)),
      fetch: (query) => read((rows) => rows.fetch(query)),
      queued: (recipient) => read((rows) => rows.queued(recipient)),
      expire: (request) => write((rows) => rows.expire(request)),
      notices: (query) => read((rows) => rows.notices(query)),
      dropNotices: (drop) => write((rows) => rows.dropNotices(drop)),
    };
  }

  #tell({ append }: QueueChanges, { appended }: CommitResult): void {
    for (const [at, { status }] of appended.entries()) {
      const envelope = append[at];
      if (status === 'stored' && envelope !== undefined) this.#onStored(envelope.id);
    }
  }
}
