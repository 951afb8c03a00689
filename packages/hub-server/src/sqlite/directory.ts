/**
 * Names and identity records: who holds which name, since when, and what they published.
 * Owns the tables `agent` and `holder`; writes run inside transactions of `group-commit`. Prekeys
 * are in `prekeys`. What each method promises is in hub-local's `HubDirectoryStore`.
 */
import type {
  ClaimResult,
  IdentityUpdate,
  NameClaim,
  NameQuery,
  PutIdentityResult,
  RevocationUpdate,
  StoredBundle,
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
    if (known === null) {
      if (this.#statements.holder.get(name) !== undefined) return { status: 'name_taken' };
      if (!mayRegister) return { status: 'not_registered' };
    } else {
      if (known.revocation !== null) return { status: 'revoked' };
      if (known.name !== name) return { status: 'other_name' };
      const isGone = known.retired_ms !== null && nowMs - known.retired_ms >= retiredMs;
      if (isGone) return { status: 'name_taken' };
    }
    const no = known?.no ?? this.#bind(name, aid);
    if (opening !== null) this.#statements.open.run(opening.instance, opening.boot, no);
    this.#usage.seen(no, nowMs, known === null);
    this.#connections += 1;
    return {
      status: 'ok',
      connection: this.#connections,
      spent: null,
      registered: known === null,
      retired: known !== null && known.retired_ms !== null,
      lastOpening:
        known === null || known.instance === null || known.boot === null
          ? null
          : { instance: known.instance, boot: known.boot },
    };
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
    const successor = this.#bind(name, subject);
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
    if (agent !== null) this.#statements.relist.run(agent.name, agent.no);
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

  /** Makes the identity the holder of a name; a former holder keeps its own row. */
  #bind(name: string, aid: Uint8Array): number {
    const { no } = this.#parties.intern(aid);
    this.#statements.insert.run(no, name);
    this.#statements.hold.run(name, no);
    this.#parties.reread(no);
    return no;
  }
}

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    agent: sql('SELECT * FROM agent WHERE no = ?'),
    insert: sql('INSERT INTO agent (no, name) VALUES (?, ?)'),
    open: sql('UPDATE agent SET instance = ?, boot = ? WHERE no = ?'),
    publish: sql('UPDATE agent SET revision = ?, record = ? WHERE no = ?'),
    retire: sql('UPDATE agent SET retired_ms = ? WHERE no = ?'),
    revoke: sql('UPDATE agent SET revocation = ? WHERE no = ?'),
    holder: sql('SELECT no FROM holder WHERE name = ?'),
    hold: sql('INSERT OR REPLACE INTO holder (name, no) VALUES (?, ?)'),
    aidOfName: sql(`SELECT aid FROM holder JOIN party ON party.no = holder.no WHERE name = ?`),
    names: sql(`SELECT name FROM holder WHERE listed = 1 AND name >= ?1 AND name > ?2
      ORDER BY name LIMIT ?3`),
    relist: sql(`UPDATE holder SET listed = 1 - listed WHERE name = ?1 AND no = ?2 AND listed <>
      (SELECT record IS NOT NULL AND revocation IS NULL
        AND EXISTS (SELECT 1 FROM signed_prekey WHERE no = ?2) FROM agent WHERE no = ?2)`),
    count: sql('SELECT count(*) AS count FROM holder'),
  };
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
