/**
 * Where an agent's keys and rows are: on the disk, in Node. Chosen by the condition `node` of
 * `package.json`; owns the choice of protection and of the store's place. Browsers get
 * `key-file-browser`.
 */
import type { AgentKeyPair } from '@agentmesh/crypto';
import { loadOrCreateKeyFile } from '@agentmesh/crypto/node';
import { SqliteAgentStore } from './sqlite/sqlite-agent-store.js';
import type { AgentStore } from './store.js';

/** An identity from its file, and the store that belongs beside it. */
export interface KeptAgent {
  readonly keyPair: AgentKeyPair;
  /** Not opened yet: nothing is made on the disk before that. */
  readonly store: AgentStore;
}

/** Loads or creates the key file. Throws the `KEY_FILE_…` codes of `CryptoError`. */
export async function loadKeyFile(
  path: string,
  passphrase: string | undefined,
): Promise<KeptAgent> {
  const protection = passphrase === undefined ? { unprotected: true } : { passphrase };
  const { keyPair, storeKey } = await loadOrCreateKeyFile(path, protection);
  return { keyPair, store: SqliteAgentStore.beside(path, { storeKey }) };
}
