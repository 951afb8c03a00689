/**
 * The key file of protocol.md §2.11: how an identity and its store key are written as one JSON
 * text, in the clear or under a passphrase. Owns the format and its checks, as pure functions.
 * Does not own the disk (`key-file-disk`), scrypt (`key-file-passphrase`) or the Python package's
 * file (`key-file-legacy`).
 *
 * One encoding only: what decodes is written out again and compared, so added fields, doubled keys
 * and other spellings are refused; a checksum over every field refuses the rest of the damage.
 */
import { Buffer } from 'node:buffer';
import { sha256 } from '#hash';
import { aes256GcmOpen, aes256GcmSeal, hkdfSha256 } from '#symmetric';
import { concatBytes, equalBytes, label, u32, u8 } from './bytes.js';
import { CryptoError } from './errors.js';
import { AgentKeyPair } from './key-pair.js';
import { Secret } from './secret.js';

/** What a key file keeps: the identity, and the key that the agent's store is encrypted under. */
export interface StoredKeys {
  readonly keyPair: AgentKeyPair;
  readonly storeKey: Secret<'store key'>;
}

/** Cost of scrypt and its 32-byte salt, as they stand in the file. */
export interface ScryptParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Uint8Array;
}

/** Memory is 128 * N * r bytes: 128 MiB for a new file. */
export const SCRYPT_COST = { N: 2 ** 17, r: 8, p: 1 } as const;
/** A hostile file may ask for 1 GiB of memory at most; the lower end only bounds the field. */
const SCRYPT_N = { min: 2 ** 14, max: 2 ** 20 } as const;
export const SCRYPT_SALT_BYTES = 32;
export const SECRETS_SALT_BYTES = 16;
const VERSION = 2;
const FILE_LABEL = label('key-file');

/** A file under a passphrase, still closed. Everything in it is public or encrypted. */
export interface ProtectedKeyFile {
  readonly protection: 'scrypt';
  readonly signing: Uint8Array;
  readonly dh: Uint8Array;
  readonly scrypt: ScryptParameters;
  /** The store key, wrapped under the passphrase: 32 bytes and a tag. */
  readonly storeKey: Uint8Array;
  readonly secretsSalt: Uint8Array;
  /** Signing seed and exchange scalar under the store key: 64 bytes and a tag. */
  readonly secrets: Uint8Array;
}

/** A file in the clear, with an explicit mark: for agents that start unattended. */
export interface UnprotectedKeyFile {
  readonly protection: 'none';
  readonly keys: StoredKeys;
}

/** The text of a file in the clear. */
export function encodeUnprotected({ keyPair, storeKey }: StoredKeys): string {
  const { signing, dh } = keyPair.identity;
  const { signingSeed, dhScalar } = keyPair.exportSecrets();
  const fields = [u8(0), signing, dh, signingSeed, dhScalar, storeKey.reveal()];
  return render('none', {
    signing: toText(signing),
    dh: toText(dh),
    signingSeed: toText(signingSeed),
    dhScalar: toText(dhScalar),
    storeKey: toText(storeKey.reveal()),
    checksum: toText(checksum(fields)),
  });
}

/** Encrypts keys under what scrypt made of a passphrase; both salts must be fresh. */
export function protect(
  { keyPair, storeKey }: StoredKeys,
  under: {
    readonly passphraseKey: Uint8Array;
    readonly scrypt: ScryptParameters;
    readonly secretsSalt: Uint8Array;
  },
): ProtectedKeyFile {
  const { scrypt, secretsSalt } = under;
  const { signing, dh } = keyPair.identity;
  const head = protectedHead({ signing, dh, scrypt });
  const wrapped = aes256GcmSeal({
    ...wrappingKey(under.passphraseKey, scrypt.salt),
    plaintext: storeKey.reveal(),
    associatedData: head,
  });
  const { signingSeed, dhScalar } = keyPair.exportSecrets();
  const secrets = aes256GcmSeal({
    ...secretsKey(storeKey.reveal(), secretsSalt),
    plaintext: concatBytes(signingSeed, dhScalar),
    associatedData: concatBytes(head, wrapped),
  });
  return { protection: 'scrypt', signing, dh, scrypt, storeKey: wrapped, secretsSalt, secrets };
}

/**
 * Opens a file with what scrypt made of the passphrase. KEY_FILE_WRONG_PASSPHRASE when it does not
 * fit, KEY_FILE_MALFORMED when the keys inside are not those that the file names.
 */
export function unlock(file: ProtectedKeyFile, passphraseKey: Uint8Array): StoredKeys {
  const head = protectedHead(file);
  const storeKey = aes256GcmOpen({
    ...wrappingKey(passphraseKey, file.scrypt.salt),
    ciphertext: file.storeKey,
    associatedData: head,
  });
  if (storeKey === null) throw new CryptoError('KEY_FILE_WRONG_PASSPHRASE');
  const secrets = aes256GcmOpen({
    ...secretsKey(storeKey, file.secretsSalt),
    ciphertext: file.secrets,
    associatedData: concatBytes(head, file.storeKey),
  });
  if (secrets?.length !== 64) throw malformed();
  return storedKeys(file, secrets, storeKey);
}

/** The text of a protected file. */
export function encodeProtected(file: ProtectedKeyFile): string {
  const { N, r, p, salt } = file.scrypt;
  return render('scrypt', {
    signing: toText(file.signing),
    dh: toText(file.dh),
    scrypt: { N, r, p, salt: toText(salt) },
    storeKey: toText(file.storeKey),
    secretsSalt: toText(file.secretsSalt),
    secrets: toText(file.secrets),
    checksum: toText(
      checksum([protectedHead(file), file.storeKey, file.secretsSalt, file.secrets]),
    ),
  });
}

/** Whether a parsed JSON object claims to be a key file of AgentMesh, of whatever version. */
export function isKeyFile(fields: Fields): boolean {
  return fields['agentmesh'] === 'key-file';
}

/** Reads the text of a key file of this version; KEY_FILE_MALFORMED for anything else. */
export function decodeKeyFile(text: string): ProtectedKeyFile | UnprotectedKeyFile {
  const fields = parseObject(text);
  if (!isKeyFile(fields)) throw malformed();
  if (fields['version'] !== VERSION) throw malformed(`only version ${VERSION} is known here`);
  const file = fields['protection'] === 'none' ? unprotectedFile(fields) : protectedFile(fields);
  const written = file.protection === 'none' ? encodeUnprotected(file.keys) : encodeProtected(file);
  // Covers the checksum too: it is written from the fields that were read.
  if (written !== text) throw malformed();
  return file;
}

/** A JSON object of unknown fields. */
export type Fields = Readonly<Record<string, unknown>>;

/** Parses JSON text to an object. The parser's own message quotes the text, so it is dropped. */
export function parseObject(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed();
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed();
  return value as Fields;
}

/** KEY_FILE_MALFORMED. Never given anything that was read from the file. */
export function malformed(detail?: string): CryptoError {
  return new CryptoError('KEY_FILE_MALFORMED', detail);
}

/** Bytes of a canonical base64url field, `length` of them. */
export function fromText(text: unknown, length: number): Uint8Array {
  if (typeof text !== 'string') throw malformed();
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  if (bytes.length !== length || toText(bytes) !== text) throw malformed();
  return bytes;
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

function render(protection: 'none' | 'scrypt', fields: object): string {
  const file = { agentmesh: 'key-file', version: VERSION, protection, ...fields };
  return `${JSON.stringify(file, null, 2)}\n`;
}

function unprotectedFile(fields: Fields): UnprotectedKeyFile {
  const secrets = concatBytes(
    fromText(fields['signingSeed'], 32),
    fromText(fields['dhScalar'], 32),
  );
  const named = { signing: fromText(fields['signing'], 32), dh: fromText(fields['dh'], 32) };
  const keys = storedKeys(named, secrets, fromText(fields['storeKey'], 32));
  return { protection: 'none', keys };
}

function protectedFile(fields: Fields): ProtectedKeyFile {
  if (fields['protection'] !== 'scrypt') throw malformed();
  return {
    protection: 'scrypt',
    signing: fromText(fields['signing'], 32),
    dh: fromText(fields['dh'], 32),
    scrypt: scryptParameters(fields['scrypt']),
    storeKey: fromText(fields['storeKey'], 48),
    secretsSalt: fromText(fields['secretsSalt'], SECRETS_SALT_BYTES),
    secrets: fromText(fields['secrets'], 80),
  };
}

function scryptParameters(value: unknown): ScryptParameters {
  if (typeof value !== 'object' || value === null) throw malformed();
  const { N, r, p, salt } = value as Fields;
  const known = typeof N === 'number' && r === SCRYPT_COST.r && p === SCRYPT_COST.p;
  if (!known || !Number.isInteger(Math.log2(N)) || N < SCRYPT_N.min || N > SCRYPT_N.max) {
    throw malformed('scrypt parameters are out of bounds');
  }
  return { N, r, p, salt: fromText(salt, SCRYPT_SALT_BYTES) };
}

/** The keys of a file, which must be those of the public keys that it names. */
function storedKeys(
  named: { readonly signing: Uint8Array; readonly dh: Uint8Array },
  secrets: Uint8Array,
  storeKey: Uint8Array,
): StoredKeys {
  const keyPair = AgentKeyPair.fromSecrets({
    signingSeed: secrets.slice(0, 32),
    dhScalar: secrets.slice(32),
  });
  const { signing, dh } = keyPair.identity;
  if (!equalBytes(signing, named.signing) || !equalBytes(dh, named.dh)) throw malformed();
  return { keyPair, storeKey: new Secret('store key', storeKey) };
}

/** Everything that both ciphertexts are bound to. */
function protectedHead(file: Pick<ProtectedKeyFile, 'signing' | 'dh' | 'scrypt'>): Uint8Array {
  const { N, r, p, salt } = file.scrypt;
  return concatBytes(
    FILE_LABEL,
    u8(VERSION),
    u8(1),
    file.signing,
    file.dh,
    u32(N),
    u32(r),
    u32(p),
    salt,
  );
}

/** Finds accidental damage; against a forger the passphrase has to do. */
function checksum(fields: readonly Uint8Array[]): Uint8Array {
  return sha256(label('key-file-checksum'), u8(VERSION), ...fields);
}

function wrappingKey(passphraseKey: Uint8Array, salt: Uint8Array): KeyAndNonce {
  return keyAndNonce({ salt, ikm: passphraseKey, info: label('key-file-wrap'), length: 44 });
}

function secretsKey(storeKey: Uint8Array, salt: Uint8Array): KeyAndNonce {
  return keyAndNonce({ salt, ikm: storeKey, info: label('key-file-secrets'), length: 44 });
}

interface KeyAndNonce {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

function keyAndNonce(input: Parameters<typeof hkdfSha256>[0]): KeyAndNonce {
  const okm = hkdfSha256(input);
  return { key: okm.subarray(0, 32), nonce: okm.subarray(32) };
}
