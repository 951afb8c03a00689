/** What the tests of key files share: how they are made, and what a refusal looks like. */
import { expect, test } from '@jest/globals';
import { CryptoError } from '../src/errors.js';
import type { CryptoErrorCode } from '../src/errors.js';
import type { LoadedKeys } from '../src/node.js';

export const notOnWindows = process.platform === 'win32' ? test.skip : test;
export const unprotected = { unprotected: true };
export const passphrase = 'correct horse battery staple';

export const refusal = (code: CryptoErrorCode) =>
  expect.objectContaining({ name: 'CryptoError', code, retryable: code === 'KEY_FILE_IO' });

export async function refused(action: Promise<unknown>): Promise<CryptoError> {
  const error = await action.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CryptoError)) throw new TypeError('a refusal expected');
  return error;
}

export const secretsOf = ({ keyPair, storeKey }: Pick<LoadedKeys, 'keyPair' | 'storeKey'>) => ({
  ...keyPair.exportSecrets(),
  storeKey: storeKey.reveal(),
});
