/**
 * Names and identity records: who holds which name, since when, and what they published.
 * Owns the tables `agent` and `holder`; writes run inside transactions of `group-commit`. Prekeys
 * are in `prekeys`. What each method promises is in hub-local's `HubDirectoryStore`.
 */
import type {
  ClaimResult,
  ExpireRequest,
  IdentityUpdate,
  Leaving,
  NameClaim,
  NameQuery,
  PutIdentityResult,
  RevocationUpdate,
  StoredBundle,
  StoreOpening,
} from '@agentmesh/hub-local';
import { equalBytes } from '@agentmesh/protocol';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Parties } from './parties.js';
import type { Usage } from './usage.js';

interface AgentRow {
  readonly no: number;
  readonly name: string;
  readonly instance: Uint8Array | null;
  readonly boot: number | null;
  readonly retired_ms: number | null;
  readonly revision: number | null;
  readonly record: Uint8Array | null;
  readonly revocation: Uint8Array | null;
  readonly transient: 0 | 1;
  readonly left_ms: number | null;
}

/** A record, and what has happened to its identity. */
export type Published = Pick<StoredBundle, 'record' | 'revocation' | 'retired'>;

/** See `HubDirectoryStore`. */
export class Directory {
  readonly #parties: Parties;
  readonly #usage: Usage;
  readonly #statements: ReturnType<typeof prepare>;
  /** No connection outlives this process, so neither need their numbers. */
  #connections = 0;
  /** By number of a transient agent: its newest connection. */
  readonly #newest = new Map<number, number>();

  constructor(database: DatabaseSync, parties: Parties, usage: Usage) {
    this.#parties = parties;
    this.#usage = usage;
    this.#statements = prepare(database);
  }

  get agents(): number {
    return Number(this.#statements.count.get()?.['count']);
  }

  /** Whether an identity has, or had, a name here. */
  knows(aid: Uint8Array): boolean {
    return this.#parties.find(aid)?.member === true;
  }

  claim(claim: NameClaim): ClaimResult {
    const { name, aid, opening, mayRegister, nowMs, retiredMs } = claim;
    const known = this.#agent(aid);
    const holder = known === null ? this.#holderOf(name) : null;
    if (known === null) {
      if (holder !== null && !hasLeft(holder)) return { status: 'name_taken' };
      if (!mayRegister) return { status: 'not_registered' };
    } else {
      if (known.revocation !== null) return { status: 'revoked' };
      if (known.name !== name) return { status: 'other_name' };
      const isGone = known.retired_ms !== null && nowMs - known.retired_ms >= retiredMs;
      if (isGone) return { status: 'name_taken' };
    }
    const forgotten = holder === null ? null : this.#forget(holder.no);
    const isNew = known === null;
    const isTransient = opening !== null && claim.isTransient === true;
    const no = known?.no ?? this.#bind(name, aid, isTransient);
    this.#usage.seen(no, nowMs, isNew);
    this.#connections += 1;
    if (opening !== null) this.#open(no, opening, isTransient);
    return {
      status: 'ok',
      connection: this.#connections,
      spent: null,
      forgotten,
      isTransient: isTransient && (isNew || known.transient === 1),
      registered: isNew,
      retired: known !== null && known.retired_ms !== null,
      lastOpening:
        known === null || known.instance === null || known.boot === null
          ? null
          : { instance: known.instance, boot: known.boot },
    };
  }

  /** Also the successor that a leaving agent has named, and that has not come. */
  leave({ aid, connection, nowMs }: Leaving): void {
    const agent = this.#agent(aid);
    if (agent === null || this.#newest.get(agent.no) !== connection) return;
    this.#newest.delete(agent.no);
    const holder = this.#holderOf(agent.name);
    const leaving = holder !== null && holder.instance === null ? [agent, holder] : [agent];
    for (const { no } of leaving) this.#statements.leave.run(nowMs, no);
    this.#statements.relist.run(agent.name);
  }

  allLeft(nowMs: number): void {
    this.#statements.unlistTransient.run();
    this.#statements.allLeft.run(nowMs);
  }

  /** Forgets up to `max` transient identities that left before this time. */
  forgetLeft({ nowMs, max, transientMs = Infinity }: ExpireRequest): readonly Uint8Array[] {
    const rows = this.#statements.left.all(nowMs - transientMs, max);
    return rows.flatMap((row) => this.#forget(Number(row['no'])) ?? []);
  }

  aidOfName(name: string): Uint8Array | null {
    const row = this.#statements.aidOfName.get(name);
    return row === undefined ? null : (row['aid'] as Uint8Array);
  }

  putIdentity(update: IdentityUpdate): PutIdentityResult {
    const { name, subject, revision, record, nowMs } = update;
    const owner = this.#agent(update.owner);
    if (owner === null || owner.name !== name) return 'not_owner';
    if (owner.revocation !== null) return 'revoked';
    const known = this.#agent(subject);
    if (owner.retired_ms !== null || (known !== null && known.no !== owner.no)) {
      const isRepeated = owner.retired_ms !== null && known?.no !== owner.no;
      const isSuccessor = isRepeated && known?.name === name;
      return isSuccessor && isSame(known, record) ? 'stored' : 'not_owner';
    }
    if (known !== null) {
      if (isStale(owner, update)) return 'stale';
      this.#statements.publish.run(revision, record, owner.no);
      this.relist(subject);
      return 'stored';
    }
    this.#statements.retire.run(nowMs, owner.no);
    this.#parties.reread(owner.no);
    const successor = this.#bind(name, subject, owner.transient === 1);
    this.#statements.publish.run(revision, record, successor);
    return 'stored';
  }

  putRevocation({ aid, revocation }: RevocationUpdate): 'stored' | 'unknown' {
    const agent = this.#agent(aid);
    if (agent === null) return 'unknown';
    if (agent.revocation !== null) return 'stored';
    this.#statements.revoke.run(revocation, agent.no);
    this.#parties.reread(agent.no);
    this.relist(aid);
    return 'stored';
  }

  /** Lists a name while its holder's record and prekeys are there and it is not void. */
  relist(aid: Uint8Array): void {
    const agent = this.#agent(aid);
    if (agent !== null) this.#statements.relist.run(agent.name);
  }

  /** What an agent has published, and whether it still begins sessions; null for nothing. */
  published(aid: Uint8Array): Published | null {
    const agent = this.#agent(aid);
    if (agent === null || agent.record === null) return null;
    const { record, revocation, retired_ms } = agent;
    return { record, revocation, retired: retired_ms !== null };
  }

  names({ prefix, after, max }: NameQuery): readonly string[] {
    const found: string[] = [];
    for (const row of this.#statements.names.iterate(prefix, after, max)) {
      const name = String(row['name']);
      if (!name.startsWith(prefix)) break;
      found.push(name);
    }
    return found;
  }

  #agent(aid: Uint8Array): AgentRow | null {
    const party = this.#parties.find(aid);
    if (party === null || !party.member) return null;
    return (this.#statements.agent.get(party.no) as AgentRow | undefined) ?? null;
  }

  #holderOf(name: string): AgentRow | null {
    return (this.#statements.holder.get(name) as AgentRow | undefined) ?? null;
  }

  /** A connection begins. Whoever is not transient once is so never again. */
  #open(no: number, { instance, boot }: StoreOpening, isTransient: boolean): void {
    this.#statements.open.run(instance, boot, isTransient ? 1 : 0, no);
    this.#statements.relistOf.run(no);
    if (isTransient) this.#newest.set(no, this.#connections);
  }

  /** All but its place in queues and their senders' memory; gives its aid. */
  #forget(no: number): Uint8Array | null {
    const party = this.#parties.byNo(no);
    if (party === null) return null;
    this.#usage.forget(party);
    this.#newest.delete(no);
    return party.aid;
  }

  /** Makes the identity the holder of a name; a former holder keeps its own row. */
  #bind(name: string, aid: Uint8Array, isTransient: boolean): number {
    const { no } = this.#parties.intern(aid);
    this.#statements.insert.run(no, name, isTransient ? 1 : 0);
    this.#statements.hold.run(name, no);
    this.#parties.reread(no);
    return no;
  }
}

/** Sets right whether names are listed. */
const RELIST = `UPDATE holder SET listed = 1 - listed WHERE listed <>
  (SELECT record IS NOT NULL AND revocation IS NULL AND left_ms IS NULL
    AND EXISTS (SELECT 1 FROM signed_prekey WHERE no = agent.no)
    FROM agent WHERE agent.no = holder.no)`;

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    agent: sql('SELECT * FROM agent WHERE no = ?'),
    insert: sql('INSERT INTO agent (no, name, transient) VALUES (?, ?, ?)'),
    open: sql(`UPDATE agent SET instance = ?, boot = ?, transient = transient AND ?, left_ms = NULL
      WHERE no = ?`),
    leave: sql('UPDATE agent SET left_ms = ifnull(left_ms, ?) WHERE no = ? AND transient = 1'),
    allLeft: sql('UPDATE agent SET left_ms = ? WHERE transient = 1 AND left_ms IS NULL'),
    unlistTransient: sql(`UPDATE holder SET listed = 0 WHERE listed = 1 AND no IN
      (SELECT no FROM agent WHERE transient = 1)`),
    left: sql(`SELECT no FROM agent WHERE transient = 1 AND left_ms <= ? AND revocation IS NULL
      ORDER BY left_ms LIMIT ?`),
    publish: sql('UPDATE agent SET revision = ?, record = ? WHERE no = ?'),
    retire: sql('UPDATE agent SET retired_ms = ? WHERE no = ?'),
    revoke: sql('UPDATE agent SET revocation = ? WHERE no = ?'),
    holder: sql(
      'SELECT agent.* FROM holder JOIN agent ON agent.no = holder.no WHERE holder.name = ?',
    ),
    hold: sql('INSERT OR REPLACE INTO holder (name, no) VALUES (?, ?)'),
    aidOfName: sql(`SELECT aid FROM holder JOIN party ON party.no = holder.no WHERE name = ?`),
    names: sql(`SELECT name FROM holder WHERE listed = 1 AND name >= ?1 AND name > ?2
      ORDER BY name LIMIT ?3`),
    relist: sql(`${RELIST} AND name = ?`),
    relistOf: sql(`${RELIST} AND no = ?`),
    count: sql('SELECT count(*) AS count FROM holder'),
  };
}

/** Whether another identity may have its name. */
function hasLeft({ transient, left_ms, revocation }: AgentRow): boolean {
  return transient === 1 && left_ms !== null && revocation === null;
}

/** Equal bytes may be stored again; other bytes of one revision never. */
function isStale(stored: AgentRow, next: IdentityUpdate): boolean {
  if (stored.revision === null || stored.record === null) return false;
  if (next.revision !== stored.revision) return next.revision < stored.revision;
  return !isSame(stored, next.record);
}

function isSame(stored: AgentRow, record: Uint8Array): boolean {
  return stored.record !== null && equalBytes(record, stored.record);
}
