/**
 * Names and identity records: who holds which name, since when, and what they published.
 * Owns the tables `agent` and `holder`; writes run inside transactions of `group-commit`. Prekeys
 * are in `prekeys`. What each method promises is in hub-local's `HubDirectoryStore`.
 */
import type { ClaimResult, IdentityUpdate, NameClaim, NameQuery } from '@agentmesh/hub-local';
import { equalBytes } from '@agentmesh/protocol';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Parties } from './parties.js';

interface AgentRow {
  readonly no: number;
  readonly name: string;
  readonly instance: Uint8Array | null;
  readonly boot: number | null;
  readonly retired_ms: number | null;
  readonly revision: number | null;
  readonly record: Uint8Array | null;
}

/** See `HubDirectoryStore`. */
export class Directory {
  readonly #parties: Parties;
  readonly #statements: ReturnType<typeof prepare>;
  /** No connection outlives this process, so neither need their numbers. */
  #connections = 0;

  constructor(database: DatabaseSync, parties: Parties) {
    this.#parties = parties;
    this.#statements = prepare(database);
  }

  get agents(): number {
    return Number(this.#statements.count.get()?.['count']);
  }

  claim(claim: NameClaim): ClaimResult {
    const { name, aid, opening, mayRegister, nowMs, retiredMs } = claim;
    const known = this.#agent(aid);
    if (known === null) {
      if (this.#statements.holder.get(name) !== undefined) return { status: 'name_taken' };
      if (!mayRegister) return { status: 'not_registered' };
    } else {
      if (known.name !== name) return { status: 'other_name' };
      const isGone = known.retired_ms !== null && nowMs - known.retired_ms >= retiredMs;
      if (isGone) return { status: 'name_taken' };
    }
    const no = known?.no ?? this.#bind(name, aid);
    if (opening !== null) this.#statements.open.run(opening.instance, opening.boot, no);
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

  putIdentity(update: IdentityUpdate): 'stored' | 'stale' | 'not_owner' {
    const { owner: ownerAid, subject, name, revision, record, nowMs } = update;
    const owner = this.#agent(ownerAid);
    const holder = this.#statements.holder.get(name)?.['no'];
    if (owner === null || holder !== owner.no) return 'not_owner';
    if (equalBytes(subject, ownerAid)) {
      if (isStale(owner, update)) return 'stale';
      this.#statements.publish.run(revision, record, owner.no);
      return 'stored';
    }
    if (this.#agent(subject) !== null) return 'not_owner';
    this.#statements.retire.run(nowMs, owner.no);
    this.#parties.reread(owner.no);
    const successor = this.#bind(name, subject);
    this.#statements.publish.run(revision, record, successor);
    return 'stored';
  }

  /** The identity record of an agent, or null. */
  record(aid: Uint8Array): Uint8Array | null {
    return this.#agent(aid)?.record ?? null;
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
    holder: sql('SELECT no FROM holder WHERE name = ?'),
    hold: sql('INSERT OR REPLACE INTO holder VALUES (?, ?)'),
    aidOfName: sql(`SELECT aid FROM holder JOIN party ON party.no = holder.no WHERE name = ?`),
    names: sql('SELECT name FROM holder WHERE name >= ?1 AND name > ?2 ORDER BY name LIMIT ?3'),
    count: sql('SELECT count(*) AS count FROM holder'),
  };
}

/** Equal bytes may be stored again; other bytes of one revision never. */
function isStale(
  { revision, record }: AgentRow,
  next: { readonly revision: number; readonly record: Uint8Array },
): boolean {
  if (revision === null || record === null) return false;
  if (next.revision !== revision) return next.revision < revision;
  return !equalBytes(next.record, record);
}
