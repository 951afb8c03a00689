/**
 * An agent that does not run, seen through its files: for operators and their commands. Owns which
 * files these are and that looking makes none; it connects to nothing and handles nothing.
 */
import type { AgentKeyPair } from '@agentmesh/crypto';
import { loadKeyFile } from '@agentmesh/crypto/node';
import { existsSync } from 'node:fs';
import { deadLettersIn, drop, revive } from './receiving/dead-letters.js';
import type { DeadLetter } from './receiving/dead-letters.js';
import { StorageError } from './ground/errors.js';
import { fromHome } from './keys/home-path.js';
import { decodeMeta } from './self/meta.js';
import { inboxOrderOf, orderOf, ROW, under } from './store/row-keys.js';
import { rowsUnder } from './store/row-pages.js';
import { SqliteAgentStore } from './store/sqlite/sqlite-agent-store.js';

/** Its keys and its store, which no agent can have meanwhile. */
export class StoppedAgent {
  readonly keyPair: AgentKeyPair;
  readonly #store: SqliteAgentStore;
  readonly #name: string | null;

  private constructor(keyPair: AgentKeyPair, store: SqliteAgentStore, name: string | null) {
    this.keyPair = keyPair;
    this.#store = store;
    this.#name = name;
  }

  /**
   * Opens the key file and the store beside it. Rejects with the `KEY_FILE_…` codes, STORE_LOCKED
   * while the agent runs, STORE_FAILED when there is no store, and other `StorageError`s.
   */
  static async open(
    keypairPath: string,
    options: { readonly passphrase?: string | undefined } = {},
  ): Promise<StoppedAgent> {
    const path = fromHome(keypairPath);
    const { keyPair, storeKey } = await loadKeyFile(path, options);
    const store = SqliteAgentStore.beside(path, { storeKey });
    if (!existsSync(store.path)) {
      throw new StorageError('STORE_FAILED', `${store.path}: there is no store yet`);
    }
    await store.open();
    try {
      const meta = await store.get(ROW.meta);
      return new StoppedAgent(keyPair, store, meta === null ? null : decodeMeta(meta).name);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** Its name on the hub; null if it never came up. */
  get name(): string | null {
    return this.#name;
  }

  /** Messages that every attempt of the handlers failed on. */
  deadLetters(): Promise<DeadLetter[]> {
    return deadLettersIn(this.#store);
  }

  /** The agent handles it again when it runs. Rejects with NO_DEAD_LETTER. */
  async retryDeadLetter(id: string): Promise<void> {
    const [last] = await this.#store.range({ ...under('inbox'), limit: 1, reverse: true });
    let order = last === undefined ? 0 : orderOf(last.key);
    // Outcomes that are still owed go by the keys of their messages.
    for await (const { key } of rowsUnder(this.#store, 'outcome')) {
      order = Math.max(order, inboxOrderOf(key));
    }
    await revive(this.#store, id, ROW.log('inbox', order + 1));
  }

  /** Forgets it for good. Rejects with NO_DEAD_LETTER. */
  dropDeadLetter(id: string): Promise<void> {
    return drop(this.#store, id);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
