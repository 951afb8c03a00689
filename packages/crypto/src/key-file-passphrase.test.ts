import type { scrypt } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { passphraseKey } from './key-file-passphrase.js';

const cost = { N: 2 ** 14, r: 8, p: 1, salt: new Uint8Array(32).fill(5) };

/** A scrypt that calls back with this. */
function answering(error: Error | null | undefined): typeof scrypt {
  return (...given: unknown[]): void => {
    const callback = given.at(-1) as (failure: typeof error, derived: Buffer) => void;
    callback(error, Buffer.alloc(32, 7));
  };
}

describe('a passphrase', () => {
  test.each([null, undefined])(
    'is no failure where the runtime calls back with %s',
    async (none) => {
      expect(await passphraseKey('secret', cost, answering(none))).toEqual(
        new Uint8Array(32).fill(7),
      );
    },
  );

  test('for which there is no memory says how much is needed, and keeps the cause', async () => {
    const cause = new Error('memory limit exceeded');
    await expect(passphraseKey('secret', cost, answering(cause))).rejects.toMatchObject({
      code: 'KEY_FILE_IO',
      message: expect.stringContaining('scrypt needs 17 MiB of memory'),
      cause,
    });
  });
});
