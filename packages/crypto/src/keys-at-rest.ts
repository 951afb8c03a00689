/**
 * An agent's keys at rest: load a key file, create one, or whichever is needed. Owns the rules of
 * protection; the format is `key-file`'s and the disk `key-file-disk`'s.
 */
import { textBytes, wipe } from './bytes.js';
import { CryptoError } from './errors.js';
import { createPrivateFile, readPrivateFile } from './key-file-disk.js';
import { decodeLegacyKeyFile } from './key-file-legacy.js';
import { assertPassphrase, passphraseKey } from './key-file-passphrase.js';
import {
  decodeProtected,
  decodeUnprotected,
  encodeProtected,
  encodeUnprotected,
  isKeyFile,
  isUnprotected,
  malformed,
  parseObject,
  protect,
  SCRYPT_COST,
  SCRYPT_SALT_BYTES,
  SECRETS_SALT_BYTES,
  unlock,
} from './key-file.js';
import type { StoredKeys } from './key-file.js';
import { AgentKeyPair } from './key-pair.js';
import { systemRandom } from './random.js';
import type { RandomSource } from './random.js';
import { Secret } from './secret.js';
import { ready } from './sodium.js';

/** Options of {@link loadKeyFile}. */
export interface LoadKeyFileOptions {
  /** Required for a protected file, and then only a protected file is accepted. */
  readonly passphrase?: string | undefined;
  /**
   * Accepts a file that its group may read (mode 0640), if that is a group of this process: secrets
   * that are mounted read-only into a container look like this. Default: false.
   */
  readonly groupReadable?: boolean | undefined;
}

/** Options of {@link createKeyFile} and {@link loadOrCreateKeyFile}. */
export interface CreateKeyFileOptions extends LoadKeyFileOptions {
  /** Creates the file in the clear: for agents that start unattended. Excludes a passphrase. */
  readonly unprotected?: boolean | undefined;
  /** Keys to write instead of new ones: another passphrase, or an end to the Python file. */
  readonly keys?: StoredKeys | undefined;
  readonly random?: RandomSource | undefined;
}

/** An identity and the key of its store, as they rest in a key file. */
export interface LoadedKeys extends StoredKeys {
  /** Whether this call made the file. */
  readonly created: boolean;
  /** Whether they come from the Python package's file. */
  readonly legacy: boolean;
}

/**
 * Loads a key file. Codes: KEY_FILE_NOT_FOUND, KEY_FILE_PERMISSIONS (others can read it),
 * KEY_FILE_MALFORMED, KEY_FILE_PASSPHRASE_REQUIRED, KEY_FILE_WRONG_PASSPHRASE, KEY_FILE_IO.
 */
export async function loadKeyFile(
  path: string,
  options: LoadKeyFileOptions = {},
): Promise<LoadedKeys> {
  checkOptions(path, options);
  await ready();
  const loaded = await loadIfPresent(path, options);
  if (loaded === null) throw new CryptoError('KEY_FILE_NOT_FOUND', path);
  return loaded;
}

/**
 * Creates a key file with mode 0600, whole or not at all; KEY_FILE_EXISTS rather than overwrite.
 * It is protected by a passphrase unless `unprotected` says that it shall not be.
 */
export async function createKeyFile(
  path: string,
  options: CreateKeyFileOptions,
): Promise<LoadedKeys> {
  checkOptions(path, options);
  await ready();
  const created = await createUnlessPresent(path, options);
  if (created === null) throw new CryptoError('KEY_FILE_EXISTS', path);
  return created;
}

/**
 * Loads a key file, or creates it when there is none. Processes that do so at the same time all
 * end with the same identity.
 */
export async function loadOrCreateKeyFile(
  path: string,
  options: Omit<CreateKeyFileOptions, 'keys'> = {},
): Promise<LoadedKeys> {
  checkOptions(path, options);
  await ready();
  const loaded =
    (await loadIfPresent(path, options)) ??
    (await createUnlessPresent(path, options)) ??
    (await loadIfPresent(path, options));
  // Neither there nor free: a link to nothing, or a file that somebody else is removing.
  if (loaded === null) throw new CryptoError('KEY_FILE_IO', `${path} points nowhere`);
  return loaded;
}

function checkOptions(path: string, options: CreateKeyFileOptions): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new CryptoError('INVALID_ARGUMENT', 'the path of a key file is a non-empty text');
  }
  if (options.passphrase === undefined) return;
  assertPassphrase(options.passphrase);
  if (options.unprotected === true) {
    throw new CryptoError('INVALID_ARGUMENT', 'passphrase and unprotected exclude each other');
  }
}

async function loadIfPresent(
  path: string,
  { passphrase, groupReadable }: LoadKeyFileOptions,
): Promise<LoadedKeys | null> {
  const bytes = await readPrivateFile(path, groupReadable);
  if (bytes === null) return null;
  try {
    return { ...(await openBytes(bytes, passphrase)), created: false };
  } finally {
    wipe(bytes);
  }
}

/** A file in the clear is never a text: only the Python package's, and one that is damaged. */
async function openBytes(
  bytes: Uint8Array,
  passphrase?: string,
): Promise<Omit<LoadedKeys, 'created'>> {
  if (isUnprotected(bytes)) {
    return { ...openUnprotected(decodeUnprotected(bytes), passphrase), legacy: false };
  }
  const text = decodeText(bytes);
  if (!isKeyFile(parseObject(text))) {
    return { ...openUnprotected(decodeLegacyKeyFile(text), passphrase), legacy: true };
  }
  return { ...(await openProtected(text, passphrase)), legacy: false };
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed();
  }
}

async function openProtected(text: string, passphrase?: string): Promise<StoredKeys> {
  const file = decodeProtected(text);
  if (passphrase === undefined) throw new CryptoError('KEY_FILE_PASSPHRASE_REQUIRED');
  const key = await passphraseKey(passphrase, file.scrypt);
  try {
    return unlock(file, key);
  } finally {
    wipe(key);
  }
}

/** A passphrase vouches for the file: one in the clear may have been put there by anybody. */
function openUnprotected(keys: StoredKeys, passphrase?: string): StoredKeys {
  if (passphrase === undefined) return keys;
  const what = 'the file is not protected; load it without a passphrase if that is known';
  throw new CryptoError('KEY_FILE_WRONG_PASSPHRASE', what);
}

async function createUnlessPresent(
  path: string,
  options: CreateKeyFileOptions,
): Promise<LoadedKeys | null> {
  const { passphrase, unprotected, random = systemRandom } = options;
  if (passphrase === undefined && unprotected !== true) {
    throw new CryptoError(
      'INVALID_ARGUMENT',
      'a new key file needs a passphrase, or unprotected: true to be kept in the clear',
    );
  }
  const { keyPair, storeKey } = options.keys ?? newKeys(random);
  const bytes = await encode({ keyPair, storeKey }, passphrase, random);
  const created = await createPrivateFile(path, bytes, random);
  wipe(bytes);
  return created ? { keyPair, storeKey, created, legacy: false } : null;
}

function newKeys(random: RandomSource): StoredKeys {
  const keyPair = AgentKeyPair.generate(random);
  return { keyPair, storeKey: Secret.taking('store key', random(32)) };
}

async function encode(
  keys: StoredKeys,
  passphrase: string | undefined,
  random: RandomSource,
): Promise<Uint8Array> {
  if (passphrase === undefined) return encodeUnprotected(keys);
  const scrypt = { ...SCRYPT_COST, salt: random(SCRYPT_SALT_BYTES) };
  const key = await passphraseKey(passphrase, scrypt);
  const secretsSalt = random(SECRETS_SALT_BYTES);
  const file = protect(keys, { passphraseKey: key, scrypt, secretsSalt });
  wipe(key);
  return textBytes(encodeProtected(file));
}
