/**
 * The rows of waiting messages as their runs change them: a message ends, or it is set aside as a
 * dead letter. Owns these commits; what a run means is `dispatcher`'s.
 */
import { toHex } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { encodeInboxRow } from '../message/inbox.js';
import type { Ending, Owed } from '../owed/owed.js';
import { orderOf, ROW } from '../store/row-keys.js';
import type { RowSweeper } from '../store/row-sweeper.js';
import type { InboxEntry, Waiting } from '../handling/waiting-messages.js';

const FAILED: Ending = { state: 'failed', reason: '' };

/** The inbox of one agent on its disk. */
export class InboxRows {
  readonly #context: AgentContext;
  readonly #sweeper: RowSweeper;
  readonly #owed: Owed;

  constructor(parts: {
    readonly context: AgentContext;
    readonly sweeper: RowSweeper;
    readonly owed: Owed;
  }) {
    this.#context = parts.context;
    this.#sweeper = parts.sweeper;
    this.#owed = parts.owed;
  }

  /** The message is done with; its sender is told how. */
  end({ key, row }: InboxEntry, ending: Ending): void {
    this.#sweeper.delete(key, this.#owed.rowsOf(key, row, ending));
    this.#owed.ended(row, ending);
  }

  /** Resolves when all that has ended up to now is committed; rejects where the store failed. */
  async committed(): Promise<void> {
    await this.#sweeper.settled();
    const { failure } = this.#context.store;
    if (failure !== null) throw failure;
  }

  /** A dead letter: out of the inbox, kept for whoever looks into it. */
  async setAside({ entry: { key, row }, attempts }: Waiting): Promise<void> {
    await this.#context.peers.run(toHex(row.from), async () => {
      const tx = this.#context.transaction();
      const dead = this.#context.logs.nextKey('dead');
      tx.delete(key);
      tx.put(dead, encodeInboxRow({ ...row, attempts }));
      const beyond = orderOf(dead) - AGENT_LIMITS.deadLetters;
      if (beyond > 0) tx.delete(ROW.log('dead', beyond));
      for (const owed of this.#owed.rowsOf(key, row, FAILED)) tx.write(owed);
      await tx.commit();
    });
    this.#owed.ended(row, FAILED);
  }
}
