/**
 * The key file of protocol.md §2.11: how an identity and its store key are written as one JSON
 * text, in the clear or under a passphrase. Owns the format and its checks, as pure functions.
 * Does not own the disk (`key-file-disk`), scrypt (`key-file-passphrase`) or the Python package's
 * file (`key-file-legacy`).
 *
 * One encoding only: what decodes is what encoding would write, so added fields, doubled keys and
 * other spellings are refused; a checksum over every field refuses the rest of the damage. A file
 * in the clear is read and written as bytes, for no text of its secrets can be wiped.
 */
import { Buffer } from 'node:buffer';
import { sha256 } from '#hash';
import { aes256GcmOpen, aes256GcmSeal, hkdfSha256 } from '#symmetric';
import { fromBase64UrlBytes, toBase64UrlBytes } from './base64url-bytes.js';
import { concatBytes, equalBytes, label, Reader, textBytes, u32, u8, wipe } from './bytes.js';
import { CryptoError } from './errors.js';
import { AgentKeyPair } from './key-pair.js';
import type { AgentSecrets } from './key-pair.js';
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
/** A file in the clear, piece by piece: each value has 32 bytes, 43 characters of base64url. */
const CLEAR_FIELDS = ['signing', 'dh', 'signingSeed', 'dhScalar', 'storeKey', 'checksum'] as const;
const CLEAR_HEAD = textBytes(
  `{\n  "agentmesh": "key-file",\n  "version": ${VERSION},\n  "protection": "none"`,
);
const CLEAR_TAIL = textBytes('\n}\n');
const QUOTE = textBytes('"');
const TEXT_BYTES = 43;
const NONE = new Uint8Array(0);

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

/** The bytes of a file in the clear, which the caller wipes. */
export function encodeUnprotected({ keyPair, storeKey }: StoredKeys): Uint8Array {
  const { signing, dh } = keyPair.identity;
  const { signingSeed, dhScalar } = keyPair.exportSecrets();
  const secrets = [signingSeed, dhScalar, storeKey.reveal()];
  const values = [signing, dh, ...secrets];
  const texts = [...values, checksum([u8(0), ...values])].map(toBase64UrlBytes);
  const fields = CLEAR_FIELDS.flatMap((name, at) => [opening(name), texts[at] ?? u8(0), QUOTE]);
  const file = concatBytes(CLEAR_HEAD, ...fields, CLEAR_TAIL);
  wipe(...secrets, ...texts);
  return file;
}

/** Whether these bytes begin as a file of this version in the clear does. */
export function isUnprotected(file: Uint8Array): boolean {
  return equalBytes(file.subarray(0, CLEAR_HEAD.length), CLEAR_HEAD);
}

/** The keys of a file in the clear; KEY_FILE_MALFORMED for anything else. */
export function decodeUnprotected(file: Uint8Array): StoredKeys {
  const reader = new Reader(file, 'KEY_FILE_MALFORMED');
  reader.expect(CLEAR_HEAD);
  const read = CLEAR_FIELDS.map((name) => {
    reader.expect(opening(name));
    const text = reader.take(TEXT_BYTES);
    const value = fromBase64UrlBytes(text) ?? reader.fail();
    wipe(text);
    reader.expect(QUOTE);
    return value;
  });
  reader.expect(CLEAR_TAIL);
  reader.end();
  const values = read.slice(0, -1);
  if (!equalBytes(checksum([u8(0), ...values]), read.at(-1) ?? u8(0))) throw malformed();
  const [signing = NONE, dh = NONE, signingSeed = NONE, dhScalar = NONE, storeKey = NONE] = values;
  return storedKeys({ signing, dh }, { signingSeed, dhScalar, storeKey });
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
  const opened = storeKey.reveal();
  const wrapped = withWrappingKey(under.passphraseKey, scrypt.salt, (key) =>
    aes256GcmSeal({ ...key, plaintext: opened, associatedData: head }),
  );
  const { signingSeed, dhScalar } = keyPair.exportSecrets();
  const plaintext = concatBytes(signingSeed, dhScalar);
  const secrets = withSecretsKey(opened, secretsSalt, (key) =>
    aes256GcmSeal({ ...key, plaintext, associatedData: concatBytes(head, wrapped) }),
  );
  wipe(opened, signingSeed, dhScalar, plaintext);
  return { protection: 'scrypt', signing, dh, scrypt, storeKey: wrapped, secretsSalt, secrets };
}

/**
 * Opens a file with what scrypt made of the passphrase. KEY_FILE_WRONG_PASSPHRASE when it does not
 * fit, KEY_FILE_MALFORMED when the keys inside are not those that the file names.
 */
export function unlock(file: ProtectedKeyFile, passphraseKey: Uint8Array): StoredKeys {
  const head = protectedHead(file);
  const storeKey = withWrappingKey(passphraseKey, file.scrypt.salt, (key) =>
    aes256GcmOpen({ ...key, ciphertext: file.storeKey, associatedData: head }),
  );
  if (storeKey === null) throw new CryptoError('KEY_FILE_WRONG_PASSPHRASE');
  const associatedData = concatBytes(head, file.storeKey);
  const secrets = withSecretsKey(storeKey, file.secretsSalt, (key) =>
    aes256GcmOpen({ ...key, ciphertext: file.secrets, associatedData }),
  );
  if (secrets?.length !== 64) throw malformed();
  const [signingSeed, dhScalar] = [secrets.subarray(0, 32), secrets.subarray(32)];
  return storedKeys(file, { signingSeed, dhScalar, storeKey });
}

/** The text of a protected file. */
export function encodeProtected(file: ProtectedKeyFile): string {
  const { N, r, p, salt } = file.scrypt;
  const fields = {
    agentmesh: 'key-file',
    version: VERSION,
    protection: 'scrypt',
    signing: toText(file.signing),
    dh: toText(file.dh),
    scrypt: { N, r, p, salt: toText(salt) },
    storeKey: toText(file.storeKey),
    secretsSalt: toText(file.secretsSalt),
    secrets: toText(file.secrets),
    checksum: toText(
      checksum([protectedHead(file), file.storeKey, file.secretsSalt, file.secrets]),
    ),
  };
  return `${JSON.stringify(fields, null, 2)}\n`;
}

/** Whether a parsed JSON object claims to be a key file of AgentMesh, of whatever version. */
export function isKeyFile(fields: Fields): boolean {
  return fields['agentmesh'] === 'key-file';
}

/** Reads the text of a protected file of this version; KEY_FILE_MALFORMED for anything else. */
export function decodeProtected(text: string): ProtectedKeyFile {
  const fields = parseObject(text);
  if (!isKeyFile(fields)) throw malformed();
  if (fields['version'] !== VERSION) throw malformed(`only version ${VERSION} is known here`);
  const file = protectedFile(fields);
  // Covers the checksum too: it is written from the fields that were read.
  if (encodeProtected(file) !== text) throw malformed();
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

/** What stands before the characters of a field. */
function opening(name: (typeof CLEAR_FIELDS)[number]): Uint8Array {
  return textBytes(`,\n  "${name}": "`);
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

/** The keys of a file, which must be those of the public keys that it names. Wipes the secrets. */
function storedKeys(
  named: { readonly signing: Uint8Array; readonly dh: Uint8Array },
  secrets: AgentSecrets & { readonly storeKey: Uint8Array },
): StoredKeys {
  const keyPair = AgentKeyPair.fromSecrets(secrets);
  const storeKey = Secret.taking('store key', secrets.storeKey);
  wipe(secrets.signingSeed, secrets.dhScalar);
  const { signing, dh } = keyPair.identity;
  if (!equalBytes(signing, named.signing) || !equalBytes(dh, named.dh)) throw malformed();
  return { keyPair, storeKey };
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

function withWrappingKey<Result>(
  passphraseKey: Uint8Array,
  salt: Uint8Array,
  task: (key: KeyAndNonce) => Result,
): Result {
  return withKey({ salt, ikm: passphraseKey, info: label('key-file-wrap'), length: 44 }, task);
}

function withSecretsKey<Result>(
  storeKey: Uint8Array,
  salt: Uint8Array,
  task: (key: KeyAndNonce) => Result,
): Result {
  return withKey({ salt, ikm: storeKey, info: label('key-file-secrets'), length: 44 }, task);
}

interface KeyAndNonce {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

/** What a task makes of a derived key, which is overwritten then. */
function withKey<Result>(
  input: Parameters<typeof hkdfSha256>[0],
  task: (key: KeyAndNonce) => Result,
): Result {
  const okm = hkdfSha256(input);
  try {
    return task({ key: okm.subarray(0, 32), nonce: okm.subarray(32) });
  } finally {
    wipe(okm);
  }
}
