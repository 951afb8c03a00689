/**
 * A hub that was restored to before a change of our identity: it knows a former identity as the
 * owner of our name, and refuses the present one (protocol.md §2.13). Owns telling it every change
 * again, each by the identity that was followed; connections are `former-connections`'.
 */
import {
  AgentMeshError,
  createIdentityRecord,
  equalBytes,
  parseIdentityRecord,
  verifySuccessor,
} from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import type { FormerIdentity } from '../self/former-identity.js';
import { recordTimes } from '../self/revision.js';
import { ROW } from '../store/row-keys.js';
import type { FormerConnections } from './former-connections.js';

/** Refusals after which another identity may still be the one that the hub knows. */
const UNKNOWN: ReadonlySet<string> = new Set(['NAME_TAKEN', 'REGISTRATION_REFUSED', 'NOT_OWNER']);

/** Whether a refusal may mean that the hub has forgotten a change. */
export function maySayForgotten({ code }: AgentMeshError): boolean {
  return code === 'NAME_TAKEN' || code === 'REGISTRATION_REFUSED';
}

/** One change: who was followed, by whom. */
interface Link {
  readonly former: FormerIdentity;
  readonly successor: AgentKeyPair;
}

/** The changes of one agent's identity, as its hub knows them. */
export class ForgottenChange {
  readonly #context: AgentContext;
  readonly #formers: FormerConnections;

  constructor(context: AgentContext, formers: FormerConnections) {
    this.#context = context;
    this.#formers = formers;
  }

  /** Tells the hub all changes after the latest identity that it lets in; false: it knows none. */
  async tellAgain(): Promise<boolean> {
    const { formers, keyPair } = this.#context.self;
    const latestFirst = formers.map((former, at): Link => {
      return { former, successor: formers[at - 1]?.keyPair ?? keyPair };
    });
    for (const [at, link] of latestFirst.entries()) {
      if (!(await this.#isTold(link))) continue;
      for (const later of latestFirst.slice(0, at).toReversed()) {
        if (!(await this.#isTold(later))) return false;
      }
      this.#context.log.warn('the hub had forgotten a change of identity: told again', {
        changes: at + 1,
      });
      return true;
    }
    return false;
  }

  /** Whether the hub has it from a former identity which one has followed it. */
  async #isTold(link: Link): Promise<boolean> {
    try {
      await this.#formers.ask(link.former, async (hub) => {
        await hub.putIdentity(await this.#record(link, hub.session.hubId));
      });
      return true;
    } catch (error) {
      if (error instanceof AgentMeshError && UNKNOWN.has(error.code)) return false;
      throw error;
    }
  }

  /** The present identity has a record that says so; the others had one. */
  async #record({ former, successor: keyPair }: Link, hubId: Uint8Array): Promise<Uint8Array> {
    const { name, runtime, self, store } = this.#context;
    const { keyPair: previous } = former;
    const row = keyPair === self.keyPair ? await store.get(ROW.record) : null;
    if (row !== null) {
      const record = parseIdentityRecord(row);
      const isRight = equalBytes(record.hubId, hubId) && verifySuccessor(record, previous.identity);
      if (isRight) return row;
    }
    return createIdentityRecord({ keyPair, previous, name, hubId, ...recordTimes(runtime.now()) });
  }
}
