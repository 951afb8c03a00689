/**
 * The entry `@agentmesh/crypto/node`: what needs a disk. Owns the list of names and nothing else.
 * Not exported on purpose: the file's format, and reading or writing of arbitrary private files.
 */
export { createKeyFile, loadKeyFile, loadOrCreateKeyFile } from './keys-at-rest.js';
export type { CreateKeyFileOptions, LoadedKeys, LoadKeyFileOptions } from './keys-at-rest.js';
export {
  discardNextKeys,
  loadNextKeys,
  prepareNextKeys,
  promoteNextKeys,
} from './key-succession.js';
export type { SuccessionOptions } from './key-succession.js';
export { keepRevocation } from './revocation-file.js';
export type { RevocationFileRequest } from './revocation-file.js';
export type { StoredKeys } from './key-file.js';
export { openRow, sealRow } from './row-cipher.js';
export type { RowPlace, SealRowRequest } from './row-cipher.js';
