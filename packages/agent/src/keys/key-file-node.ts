/**
 * Where an agent's keys and rows are: on the disk, in Node. Chosen by the condition `node` of
 * `package.json`; owns the choice of protection and of where the store is. Browsers get
 * `key-file-browser`.
 */
import type { AgentKeyPair } from '@agentmesh/crypto';
import {
  discardNextKeys,
  keepRevocation,
  loadNextKeys,
  loadOrCreateKeyFile,
  prepareNextKeys,
  promoteNextKeys,
} from '@agentmesh/crypto/node';
import type { KeptIdentity, KeyFileOptions } from './kept-identity.js';
import { fromHome } from './home-path.js';
import { SqliteAgentStore } from '../store/sqlite/sqlite-agent-store.js';

/**
 * Loads or creates the key file; with a new identity also its revocation, in a file beside it.
 * Throws the `KEY_FILE_…` codes of `CryptoError`.
 */
export async function loadKeyFile({
  keypairPath,
  passphrase,
  groupReadable,
  storePath,
  runtime,
  log,
}: KeyFileOptions): Promise<KeptIdentity> {
  const path = fromHome(keypairPath);
  const protection = passphrase === undefined ? { unprotected: true } : { passphrase };
  const { keyPair, storeKey, created } = await loadOrCreateKeyFile(path, {
    ...protection,
    groupReadable,
  });
  const writeDown = async (keys: AgentKeyPair): Promise<void> => {
    const file = await keepRevocation(path, { keyPair: keys, timeMs: runtime.now() });
    log.info('new identity: keep its revocation where its keys are not', { file });
  };
  if (created) await writeDown(keyPair);
  const keeper = {
    async prepare(given: AgentKeyPair | undefined) {
      const next = await prepareNextKeys(path, { ...protection, keyPair: given });
      await writeDown(next);
      return next;
    },
    promote: () => promoteNextKeys(path),
    discard: () => discardNextKeys(path),
    isTransient: () => false,
  };
  const prepared = await loadNextKeys(path, protection);
  const store =
    storePath === null
      ? SqliteAgentStore.beside(path, { storeKey })
      : new SqliteAgentStore(fromHome(storePath), { storeKey });
  return { keyPair, prepared, keeper, store, keepsKeys: true, keepsStore: true };
}

export { readAllowList } from './allow-list-file.js';
