/**
 * What an agent begins with, found by its options: keys, store, trust policy. Owns which of them is
 * taken from where; files are read only where an option names one.
 */
import { keptByCaller, keptInMemory } from '../keys/kept-identity.js';
import type { KeptIdentity } from '../keys/kept-identity.js';
import { parseAllowList } from '../conversation/trust.js';
import type { TrustPolicy } from '../conversation/trust.js';
import type { CheckedOptions } from './options.js';

/** The policy with what the allow-list file says. */
export async function policyOf({ policy, allowListPath }: CheckedOptions): Promise<TrustPolicy> {
  if (allowListPath === null) return policy;
  const { readAllowList } = await import('#key-file');
  const listed = parseAllowList(await readAllowList(allowListPath));
  return { ...policy, allowed: [...policy.allowed, ...listed] };
}

/** Keys and store: those that were given, those on the disk, or new ones in memory. */
export async function keptOf(options: CheckedOptions): Promise<KeptIdentity> {
  const { keyPair, keypairPath, passphrase, groupReadable, storePath, runtime, log } = options;
  if (keypairPath === null) {
    if (keyPair !== null) return keptByCaller(keyPair, options.store);
    return keptInMemory(options.store, runtime.random);
  }
  // Only here, so that no other use of this package ever meets a file system.
  const { loadKeyFile } = await import('#key-file');
  const kept = await loadKeyFile({
    keypairPath,
    passphrase,
    groupReadable,
    storePath,
    runtime,
    log,
  });
  return { ...kept, store: options.store ?? kept.store };
}
