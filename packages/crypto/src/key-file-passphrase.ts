/**
 * What scrypt makes of a passphrase (RFC 7914; protocol.md §2.11). Owns the call, off the main
 * thread, and which passphrases are taken. The cost is the file's business (`key-file`).
 */
import { scrypt } from 'node:crypto';
import { textBytes, wipe } from './bytes.js';
import { CryptoError } from './errors.js';
import type { ScryptParameters } from './key-file.js';

const MEBIBYTE = 1_048_576;

/** Refuses an empty passphrase (an unset variable, most likely) and one that UTF-8 cannot write. */
export function assertPassphrase(passphrase: string): void {
  if (typeof passphrase !== 'string' || passphrase === '' || !passphrase.isWellFormed()) {
    throw new CryptoError('INVALID_ARGUMENT', 'a passphrase is a non-empty text');
  }
}

/**
 * 32 bytes, which the caller wipes. The text is normalised (NFC): one passphrase, however the
 * keyboard composes it.
 */
export function passphraseKey(
  passphrase: string,
  cost: ScryptParameters,
  derive: typeof scrypt = scrypt,
): Promise<Uint8Array> {
  const { N, r, p, salt } = cost;
  const text = textBytes(passphrase.normalize('NFC'));
  const memory = 128 * r * (N + p);
  return new Promise((resolve, reject) => {
    derive(text, salt, 32, { N, r, p, maxmem: memory + MEBIBYTE }, (error, key) => {
      wipe(text);
      // Node passes null where nothing went wrong, Bun undefined.
      if (error == null) {
        const derived = new Uint8Array(key);
        wipe(key);
        return resolve(derived);
      }
      const need = `scrypt needs ${Math.ceil(memory / MEBIBYTE)} MiB of memory`;
      reject(new CryptoError('KEY_FILE_IO', need, error));
    });
  });
}
