/**
 * What an operator asks of the SQLite store (`StoreOperations`). Owns its questions and the freeing
 * of a name; copies are made by `backup`, the tables belong to the modules of their names.
 */
import type { NameQuery } from '@agentmesh/hub-local';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type {
  QueuePart,
  QueueSummary,
  RegisteredName,
  StoredAgent,
  StoreOperations,
} from '../control/store-operations.js';
import type { Backup } from './backup.js';
import type { GroupCommit } from './group-commit.js';
import type { Parties } from './parties.js';
import type { Usage } from './usage.js';

/** What the operations are made of. */
export interface SqliteOperationsParts {
  readonly database: DatabaseSync;
  readonly group: Pick<GroupCommit, 'read'>;
  /** Runs a change in a transaction; resolves when it is durable. */
  readonly write: <T>(run: () => T) => Promise<T>;
  readonly parties: Parties;
  readonly usage: Usage;
  readonly copy: Backup;
}

interface AgentRow {
  readonly name: string;
  readonly retired_ms: number | null;
  readonly revoked: 0 | 1;
  readonly seen_ms: number | null;
}

/** One per store. */
export class SqliteOperations implements StoreOperations {
  readonly #parts: SqliteOperationsParts;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(parts: SqliteOperationsParts) {
    this.#parts = parts;
    this.#statements = prepare(parts.database);
  }

  registered({ prefix, after, max }: NameQuery): Promise<readonly RegisteredName[]> {
    return this.#parts.group.read(() => {
      const found: RegisteredName[] = [];
      for (const row of this.#statements.names.iterate(prefix, after, max)) {
        const name = String(row['name']);
        if (!name.startsWith(prefix)) break;
        found.push({ name, listed: row['listed'] === 1 });
      }
      return found;
    });
  }

  longestQueues(max: number): Promise<readonly QueueSummary[]> {
    return this.#parts.group.read(
      () => this.#statements.queues.all(max) as unknown as readonly QueueSummary[],
    );
  }

  queueParts(recipient: Uint8Array, max: number): Promise<readonly QueuePart[]> {
    return this.#parts.group.read(
      () => this.#statements.parts.all(recipient, max) as unknown as readonly QueuePart[],
    );
  }

  agent(aid: Uint8Array): Promise<StoredAgent | null> {
    return this.#parts.group.read(() => {
      const row = this.#statements.agent.get(aid) as AgentRow | undefined;
      if (row === undefined) return null;
      const { name, retired_ms: retiredMs, revoked, seen_ms: seenMs } = row;
      return { name, retiredMs, revoked: revoked === 1, seenMs };
    });
  }

  freeName(name: string): Promise<Uint8Array | null> {
    return this.#parts.write(() => {
      const row = this.#statements.holder.get(name);
      const party = row === undefined ? null : this.#parts.parties.byNo(Number(row['no']));
      if (party === null) return null;
      if (party.revoked) this.#statements.release.run(name);
      else this.#parts.usage.forget(party);
      return party.aid;
    });
  }

  backup(file: string): Promise<number> {
    return this.#parts.copy.write(file);
  }
}

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    names: sql(`SELECT name, listed FROM holder WHERE name >= ?1 AND name > ?2
      ORDER BY name LIMIT ?3`),
    queues: sql(`SELECT aid AS recipient, name, messages, bytes
      FROM party LEFT JOIN agent ON agent.no = party.no
      WHERE messages > 0 ORDER BY messages DESC, bytes DESC LIMIT ?`),
    parts: sql(`SELECT sender.aid AS sender, name, share.messages, share.bytes
      FROM party JOIN share ON share.recipient = party.no
      JOIN party AS sender ON sender.no = share.sender
      LEFT JOIN agent ON agent.no = share.sender
      WHERE party.aid = ? ORDER BY share.messages DESC, share.bytes DESC LIMIT ?`),
    agent: sql(`SELECT name, retired_ms, revocation IS NOT NULL AS revoked, seen_ms
      FROM party JOIN agent ON agent.no = party.no LEFT JOIN usage ON usage.no = party.no
      WHERE aid = ?`),
    holder: sql('SELECT no FROM holder WHERE name = ?'),
    release: sql('DELETE FROM holder WHERE name = ?'),
  };
}
