/**
 * Where an agent's key file is: on the disk, in Node. Chosen by the condition `node` of
 * `package.json`; owns nothing but the choice of protection. Browsers get `key-file-browser`.
 */
import type { AgentKeyPair } from '@agentmesh/crypto';
import { loadOrCreateKeyFile } from '@agentmesh/crypto/node';

/** Loads or creates the key file. Throws the `KEY_FILE_…` codes of `CryptoError`. */
export async function loadKeyFile(
  path: string,
  passphrase: string | undefined,
): Promise<AgentKeyPair> {
  const protection = passphrase === undefined ? { unprotected: true } : { passphrase };
  return (await loadOrCreateKeyFile(path, protection)).keyPair;
}
