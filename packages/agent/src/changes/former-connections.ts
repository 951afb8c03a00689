/**
 * Connections of identities that another one has followed: they bring what was on its way, and end
 * after a while (protocol.md §2.13). Owns connecting, ending and forgetting them; what a message
 * means is the receiver's.
 */
import { AgentMeshError, equalBytes } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { encodeFormer, prekeyIdsOf, receives, vouches } from '../self/former-identity.js';
import type { FormerIdentity } from '../self/former-identity.js';
import type { HubConnection } from '@agentmesh/protocol';
import type { IdentityConnection } from '../hub/identity-connection.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { ROW } from '../store/row-keys.js';

/** The connections of one agent's former identities. */
export class FormerConnections {
  readonly #context: AgentContext;
  /** Makes a connection for an identity, and brings it up. */
  readonly #connect: (keyPair: AgentKeyPair) => Promise<IdentityConnection>;
  readonly #connections = new Map<FormerIdentity, IdentityConnection>();
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(
    context: AgentContext,
    connect: (keyPair: AgentKeyPair) => Promise<IdentityConnection>,
  ) {
    this.#context = context;
    this.#connect = connect;
  }

  /** The connection of the identity that was the present one until now. */
  adopt(connection: IdentityConnection): void {
    const [latest] = this.#context.self.formers;
    if (latest !== undefined) this.#connections.set(latest, connection);
  }

  /** Connects the former identities of earlier runs that still receive. */
  start(): void {
    const nowMs = this.#context.runtime.now();
    for (const former of this.#context.self.formers) {
      if (receives(former, nowMs) && !this.#connections.has(former)) void this.#start(former);
    }
  }

  /** Asks the hub what only this identity may; rejects with the hub's refusal. */
  async ask<T>(former: FormerIdentity, request: (hub: HubConnection) => Promise<T>): Promise<T> {
    const known = this.#connections.get(former);
    if (known !== undefined && known.ended === null) return known.request(request);
    const connection = await this.#connect(former.keyPair);
    if (!this.#closed && receives(former, this.#context.runtime.now())) {
      this.#connections.set(former, connection);
      return connection.request(request);
    }
    try {
      return await connection.request(request);
    } finally {
      await connection.close();
    }
  }

  /** Ends the connections whose time is over, and forgets what nothing needs any more. */
  async sweep(): Promise<void> {
    const nowMs = this.#context.runtime.now();
    for (const former of this.#context.self.formers) {
      if (!receives(former, nowMs)) await this.#retire(former);
      if (!vouches(former, nowMs)) await this.#forget(former);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#waiting) cancel();
    await Promise.allSettled(
      [...this.#connections.values()].map((connection) => connection.close()),
    );
  }

  async #start(former: FormerIdentity): Promise<void> {
    try {
      const connection = await this.#connect(former.keyPair);
      if (this.#closed) await connection.close();
      else this.#connections.set(former, connection);
    } catch (error) {
      if (this.#closed) return;
      const code = error instanceof AgentMeshError ? error.code : nameOf(error);
      this.#context.log.warn('former identity not connected', { code });
      // One that the hub has forgotten gets nothing any more.
      if (error instanceof AgentMeshError && error.retryable) this.#startLater(former);
    }
  }

  #startLater(former: FormerIdentity): void {
    const cancel = this.#context.runtime.schedule(AGENT_LIMITS.resendMaxMs, () => {
      this.#waiting.delete(cancel);
      void this.#start(former);
    });
    this.#waiting.add(cancel);
  }

  /** It receives no more: its prekeys go. */
  async #retire(former: FormerIdentity): Promise<void> {
    await this.#connections.get(former)?.close();
    this.#connections.delete(former);
    const { signed, oneTime } = prekeyIdsOf(former);
    if (signed.length + oneTime.length === 0) return;
    const context = this.#context;
    const retired = { ...former, prekeys: { ...former.prekeys, signed: [], oneTime: [] } };
    const tx = context.transaction();
    for (const id of signed) {
      tx.delete(ROW.signedPrekey(id));
      tx.delete(ROW.unaided(id));
    }
    for (const id of oneTime) tx.delete(ROW.oneTimePrekey(id));
    tx.put(ROW.former(former.keyPair.identity.aid), encodeFormer(retired));
    await tx.commit();
    context.self.replaceFormer(former, retired);
  }

  /** Its keys go. */
  async #forget({ keyPair }: FormerIdentity): Promise<void> {
    const context = this.#context;
    const { aid } = keyPair.identity;
    const former = context.self.formers.find((other) =>
      equalBytes(other.keyPair.identity.aid, aid),
    );
    if (former === undefined) return;
    await context.store.commit([{ delete: ROW.former(aid) }]);
    context.self.replaceFormer(former, null);
  }
}
