/**
 * Names, identity records and prekeys in memory: the directory half of `MemoryHubStore`.
 * Owns their bookkeeping; every method is synchronous and therefore atomic.
 */
import { byteKey } from './byte-key.js';
import type { ExpireRequest } from './hub-store.js';
import type {
  BundleRequest,
  ClaimResult,
  IdentityUpdate,
  KeyInventory,
  Leaving,
  NameClaim,
  NameQuery,
  PrekeyUpdate,
  PutIdentityResult,
  PutPrekeysResult,
  RevocationUpdate,
  StoredBundle,
  StoredOneTimePrekey,
  StoredSignedPrekey,
  StoreOpening,
} from './directory-store.js';

/** Why an envelope's recipient takes none. */
export type RecipientRefusal = 'revoked' | 'unknown_recipient';

interface PublishedRecord {
  readonly revision: number;
  readonly bytes: Uint8Array;
}

interface Agent {
  readonly name: string;
  readonly aid: Uint8Array;
  opening: StoreOpening | null;
  /** When a successor took the name; null while this identity holds it. */
  retiredAtMs: number | null;
  isTransient: boolean;
  /** Since when a transient one is not connected; null while it is. */
  leftAtMs: number | null;
  /** Its newest one. */
  connection: number;
  revocation: Uint8Array | null;
  record: PublishedRecord | null;
  /** Newest first. */
  signed: readonly StoredSignedPrekey[];
  oneTime: ReadonlyMap<number, StoredOneTimePrekey>;
}

/** Prekeys that have run out are looked for this often. */
const PRUNE_MS = 3_600_000;

/** The synchronous directory; see `HubDirectoryStore` for what each method promises. */
export class MemoryDirectory {
  readonly #agents = new Map<string, Agent>();
  readonly #holders = new Map<string, Agent>();
  /** Names that are listed, ascending. */
  readonly #listed: string[] = [];
  #connections = 0;
  /** When prekeys that have run out were removed last. */
  #prunedMs = Number.NEGATIVE_INFINITY;

  get agents(): number {
    return this.#holders.size;
  }

  /** Why no envelopes for this key are taken: revoked, unknown, or retired for too long. */
  refusalOf(key: string, nowMs: number, retiredMs: number): RecipientRefusal | null {
    const agent = this.#agents.get(key);
    if (agent === undefined) return 'unknown_recipient';
    if (agent.revocation !== null) return 'revoked';
    return isGone(agent, nowMs, retiredMs) ? 'unknown_recipient' : null;
  }

  claim(claim: NameClaim): ClaimResult {
    const known = this.#agents.get(byteKey(claim.aid));
    const holder = this.#holders.get(claim.name);
    if (known === undefined) {
      if (holder !== undefined && !hasLeft(holder)) return { status: 'name_taken' };
      if (!claim.mayRegister) return { status: 'not_registered' };
    } else {
      if (known.revocation !== null) return { status: 'revoked' };
      if (known.name !== claim.name) return { status: 'other_name' };
      if (isGone(known, claim.nowMs, claim.retiredMs)) return { status: 'name_taken' };
    }
    const forgotten = known === undefined && holder !== undefined ? holder.aid : null;
    if (forgotten !== null) this.#forget(forgotten);
    const isTransient = claim.isTransient === true && claim.opening !== null;
    const agent = known ?? this.#bind(claim.name, claim.aid, isTransient);
    const lastOpening = agent.opening;
    this.#connections += 1;
    const connection = this.#connections;
    if (claim.opening !== null) {
      agent.opening = claim.opening;
      agent.connection = connection;
      agent.leftAtMs = null;
      agent.isTransient &&= isTransient;
      this.#relist(agent.name);
    }
    const state = { retired: agent.retiredAtMs !== null, isTransient: agent.isTransient };
    const answers = { registered: known === undefined, lastOpening, connection, forgotten };
    return { status: 'ok', ...answers, ...state, spent: null };
  }

  /** Also the successor that a leaving agent has named, and that has not come. */
  leave({ aid, connection, nowMs }: Leaving): void {
    const agent = this.#agents.get(byteKey(aid));
    if (agent === undefined || agent.connection !== connection) return;
    const holder = this.#holders.get(agent.name);
    for (const each of holder?.opening === null ? [agent, holder] : [agent]) leaves(each, nowMs);
    this.#relist(agent.name);
  }

  allLeft(nowMs: number): void {
    for (const agent of this.#agents.values()) {
      leaves(agent, nowMs);
      this.#relist(agent.name);
    }
  }

  /** Forgets up to `max` transient identities that left before this time, and prekeys of others. */
  expire({ nowMs, max, transientMs = Infinity }: ExpireRequest): readonly Uint8Array[] {
    const forgotten: Uint8Array[] = [];
    for (const agent of this.#agents.values()) {
      const isOver = agent.leftAtMs !== null && nowMs - agent.leftAtMs >= transientMs;
      if (isOver && agent.revocation === null && forgotten.length < max) forgotten.push(agent.aid);
    }
    for (const aid of forgotten) this.#forget(aid);
    if (Math.abs(nowMs - this.#prunedMs) >= PRUNE_MS) {
      this.#prunedMs = nowMs;
      for (const agent of this.#agents.values()) agent.oneTime = unexpired(agent, nowMs);
    }
    return forgotten;
  }

  aidOfName(name: string): Uint8Array | null {
    return this.#holders.get(name)?.aid ?? null;
  }

  putIdentity(update: IdentityUpdate): PutIdentityResult {
    const owner = this.#agents.get(byteKey(update.owner));
    const next = { revision: update.revision, bytes: update.record };
    if (owner === undefined || owner.name !== update.name) return 'not_owner';
    if (owner.revocation !== null) return 'revoked';
    const subject = this.#agents.get(byteKey(update.subject));
    if (owner.retiredAtMs !== null || (subject !== undefined && subject !== owner)) {
      const isRepeated = owner.retiredAtMs !== null && subject !== owner;
      const isSuccessor = isRepeated && subject?.name === update.name;
      return isSuccessor && isSame(subject.record, next) ? 'stored' : 'not_owner';
    }
    if (subject === owner) {
      if (owner.record !== null && isStale(owner.record, next)) return 'stale';
      owner.record = next;
      this.#relist(owner.name);
      return 'stored';
    }
    owner.retiredAtMs = update.nowMs;
    this.#bind(update.name, update.subject, owner.isTransient).record = next;
    this.#relist(owner.name);
    return 'stored';
  }

  putRevocation({ aid, revocation }: RevocationUpdate): 'stored' | 'unknown' {
    const agent = this.#agents.get(byteKey(aid));
    if (agent === undefined) return 'unknown';
    agent.revocation ??= revocation;
    this.#relist(agent.name);
    return 'stored';
  }

  putPrekeys(update: PrekeyUpdate): PutPrekeysResult {
    const agent = this.#agents.get(byteKey(update.aid));
    if (agent === undefined) return { status: 'conflict' };
    if (agent.revocation !== null) return { status: 'revoked' };
    const oneTime = merged(update.replaceAll ? [] : [...agent.oneTime.values()], update.oneTime);
    const signed = merged(update.replaceAll ? [] : agent.signed, update.signed);
    if (oneTime === null || signed === null) return { status: 'conflict' };
    if (oneTime.size > update.maxOneTime) return { status: 'limit' };
    agent.signed = [...signed.values()]
      .toSorted((a, b) => b.createdMs - a.createdMs || b.id - a.id)
      .slice(0, update.keepSigned);
    agent.oneTime = oneTime;
    this.#relist(agent.name);
    return { status: 'ok', keys: inventoryOf(agent) };
  }

  keys(aid: Uint8Array): KeyInventory {
    return inventoryOf(this.#agents.get(byteKey(aid)));
  }

  takeBundle({ aid, oneTime, nowMs }: BundleRequest): StoredBundle | null {
    const agent = this.#agents.get(byteKey(aid));
    if (agent === undefined || agent.record === null) return null;
    const { revocation } = agent;
    const retired = agent.retiredAtMs !== null;
    const signed = retired || revocation !== null ? null : (agent.signed[0]?.bytes ?? null);
    return {
      record: agent.record.bytes,
      signed,
      oneTime: oneTime && signed !== null ? takeOneTime(agent, nowMs) : null,
      revocation,
      retired,
    };
  }

  names({ prefix, after, max }: NameQuery): readonly string[] {
    const first = after >= prefix ? this.#indexAfter(after) : this.#indexOf(prefix);
    const found: string[] = [];
    for (let at = first; at < this.#listed.length && found.length < max; at++) {
      const name = this.#listed[at] ?? '';
      if (!name.startsWith(prefix)) break;
      found.push(name);
    }
    return found;
  }

  #bind(name: string, aid: Uint8Array, isTransient: boolean): Agent {
    const agent: Agent = {
      name,
      aid,
      opening: null,
      retiredAtMs: null,
      isTransient,
      leftAtMs: null,
      connection: 0,
      revocation: null,
      record: null,
      signed: [],
      oneTime: new Map(),
    };
    this.#agents.set(byteKey(aid), agent);
    this.#holders.set(name, agent);
    return agent;
  }

  #forget(aid: Uint8Array): void {
    const agent = this.#agents.get(byteKey(aid));
    if (agent === undefined) return;
    this.#agents.delete(byteKey(aid));
    if (this.#holders.get(agent.name) !== agent) return;
    this.#holders.delete(agent.name);
    this.#relist(agent.name);
  }

  /** A name is listed while sessions can begin with whoever holds it. */
  #relist(name: string): void {
    const holder = this.#holders.get(name);
    const at = this.#indexOf(name);
    const isListed = this.#listed[at] === name;
    const isReachable = holder !== undefined && canBegin(holder);
    if (isReachable && !isListed) this.#listed.splice(at, 0, name);
    if (!isReachable && isListed) this.#listed.splice(at, 1);
  }

  /** Index of the first name that is not below `text`. */
  #indexOf(text: string): number {
    let low = 0;
    let high = this.#listed.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#listed[middle] ?? '') < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #indexAfter(text: string): number {
    const at = this.#indexOf(text);
    return this.#listed[at] === text ? at + 1 : at;
  }
}

function isGone(agent: Agent, nowMs: number, retiredMs: number): boolean {
  return agent.retiredAtMs !== null && nowMs - agent.retiredAtMs >= retiredMs;
}

/** Whether its record and prekeys are there, it is not void, and somebody can answer. */
function canBegin({ record, signed, revocation, leftAtMs }: Agent): boolean {
  return record !== null && signed.length > 0 && revocation === null && leftAtMs === null;
}

/** Whether another identity may have its name. */
function hasLeft({ isTransient, leftAtMs, revocation }: Agent): boolean {
  return isTransient && leftAtMs !== null && revocation === null;
}

function leaves(agent: Agent, nowMs: number): void {
  if (agent.isTransient) agent.leftAtMs ??= nowMs;
}

function isStale(stored: PublishedRecord, next: PublishedRecord): boolean {
  if (next.revision !== stored.revision) return next.revision < stored.revision;
  return !isSame(stored, next);
}

function isSame(stored: PublishedRecord | null, next: PublishedRecord): boolean {
  return stored !== null && byteKey(next.bytes) === byteKey(stored.bytes);
}

/** Prekeys by id, or null if an id stands for two. */
function merged<T extends { readonly id: number; readonly bytes: Uint8Array }>(
  held: readonly T[],
  added: readonly T[],
): Map<number, T> | null {
  const all = new Map<number, T>();
  for (const key of [...held, ...added]) {
    const same = all.get(key.id);
    if (same !== undefined && byteKey(same.bytes) !== byteKey(key.bytes)) return null;
    all.set(key.id, key);
  }
  return all;
}

function inventoryOf(agent: Agent | undefined): KeyInventory {
  return {
    newestSigned: agent?.signed[0]?.bytes ?? null,
    oneTimeIds: [...(agent?.oneTime.keys() ?? [])],
  };
}

function unexpired({ oneTime }: Agent, nowMs: number): Agent['oneTime'] {
  return new Map([...oneTime].filter(([, key]) => key.expiresMs > nowMs));
}

/** Lowest id first; expired ones are dropped on the way. */
function takeOneTime(agent: Agent, nowMs: number): Uint8Array | null {
  const left = new Map([...unexpired(agent, nowMs)].toSorted(([a], [b]) => a - b));
  const [first] = left.values();
  if (first !== undefined) left.delete(first.id);
  agent.oneTime = left;
  return first?.bytes ?? null;
}
