/**
 * Where an agent's keys and rows are: on the disk, in Node. Chosen by the condition `node` of
 * `package.json`; owns the choice of protection and of the store's place. Browsers get
 * `key-file-browser`.
 */
import type { AgentKeyPair } from '@agentmesh/crypto';
import {
  discardNextKeys,
  loadNextKeys,
  loadOrCreateKeyFile,
  prepareNextKeys,
  promoteNextKeys,
} from '@agentmesh/crypto/node';
import type { KeptIdentity } from './kept-identity.js';
import { SqliteAgentStore } from './sqlite/sqlite-agent-store.js';

/** Loads or creates the key file. Throws the `KEY_FILE_…` codes of `CryptoError`. */
export async function loadKeyFile(
  path: string,
  passphrase: string | undefined,
): Promise<KeptIdentity> {
  const protection = passphrase === undefined ? { unprotected: true } : { passphrase };
  const { keyPair, storeKey } = await loadOrCreateKeyFile(path, protection);
  const keeper = {
    prepare: (next: AgentKeyPair | undefined) =>
      prepareNextKeys(path, { ...protection, keyPair: next }),
    promote: () => promoteNextKeys(path),
    discard: () => discardNextKeys(path),
  };
  const prepared = await loadNextKeys(path, protection);
  return { keyPair, prepared, keeper, store: SqliteAgentStore.beside(path, { storeKey }) };
}
