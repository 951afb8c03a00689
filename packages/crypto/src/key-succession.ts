/**
 * An identity that is about to follow another one, at rest (protocol.md §2.13): kept whole in a
 * file beside the present key file before anybody hears of it, then put in its place. Owns these
 * two steps; the format is `key-file`'s, protection `keys-at-rest`'s. A process that dies between
 * them finds both files, and goes on.
 */
import { CryptoError } from './errors.js';
import { realPath, removePrivateFile, replacePrivateFile } from './key-file-disk.js';
import { AgentKeyPair } from './key-pair.js';
import { createKeyFile, loadKeyFile } from './keys-at-rest.js';
import type { CreateKeyFileOptions } from './keys-at-rest.js';
import { systemRandom } from './random.js';

/** How the present file is protected; the next one is protected alike. */
export type SuccessionOptions = Omit<CreateKeyFileOptions, 'keys'>;

async function nextPath(path: string): Promise<string> {
  return `${await realPath(path)}.next`;
}

/** The identity that was prepared to follow the one in this file; null if there is none. */
export async function loadNextKeys(
  path: string,
  { passphrase }: SuccessionOptions,
): Promise<AgentKeyPair | null> {
  try {
    return (await loadKeyFile(await nextPath(path), { passphrase })).keyPair;
  } catch (error) {
    if (error instanceof CryptoError && error.code === 'KEY_FILE_NOT_FOUND') return null;
    throw error;
  }
}

/**
 * Prepares an identity to follow the one in this file, durable when this resolves: the one given, a
 * new one, or the one that an earlier call has prepared. The key of the store stays.
 */
export async function prepareNextKeys(
  path: string,
  options: SuccessionOptions & { readonly keyPair?: AgentKeyPair | undefined },
): Promise<AgentKeyPair> {
  const { keyPair, ...protection } = options;
  const prepared = await loadNextKeys(path, protection);
  if (prepared !== null) return prepared;
  const { storeKey } = await loadKeyFile(path, { passphrase: protection.passphrase });
  const { random = systemRandom } = protection;
  const keys = { keyPair: keyPair ?? AgentKeyPair.generate(random), storeKey };
  return (await createKeyFile(await nextPath(path), { ...protection, keys })).keyPair;
}

/** The prepared identity takes the place of the one in this file, in one durable step. */
export async function promoteNextKeys(path: string): Promise<void> {
  await replacePrivateFile(await realPath(path), await nextPath(path));
}

/** Forgets the prepared identity, which nobody has ever heard of. */
export async function discardNextKeys(path: string): Promise<void> {
  await removePrivateFile(await nextPath(path));
}
