import { beforeAll, describe, expect, test } from '@jest/globals';
import { sha256 } from '#hash';
import { concatBytes, label, u32, u8 } from './bytes.js';
import {
  decodeProtected,
  decodeUnprotected,
  encodeProtected,
  encodeUnprotected,
  isUnprotected,
  protect,
  unlock,
} from './key-file.js';
import type { ProtectedKeyFile, StoredKeys } from './key-file.js';
import { decodeLegacyKeyFile } from './key-file-legacy.js';
import { AgentKeyPair } from './key-pair.js';
import { Secret } from './secret.js';
import { ready } from './sodium.js';

const MALFORMED = expect.objectContaining({ code: 'KEY_FILE_MALFORMED' });
const WRONG_PASSPHRASE = expect.objectContaining({ code: 'KEY_FILE_WRONG_PASSPHRASE' });
const scrypt = { N: 2 ** 17, r: 8, p: 1, salt: new Uint8Array(32).fill(5) };
const passphraseKey = new Uint8Array(32).fill(6);
const secretsSalt = new Uint8Array(16).fill(7);

function keysOf(first: number): StoredKeys {
  const keyPair = AgentKeyPair.fromSecrets({
    signingSeed: new Uint8Array(32).fill(first),
    dhScalar: new Uint8Array(32).fill(first + 1),
  });
  return { keyPair, storeKey: new Secret('store key', new Uint8Array(32).fill(first + 2)) };
}

const plain = ({ keyPair, storeKey }: StoredKeys) => ({
  ...keyPair.exportSecrets(),
  storeKey: storeKey.reveal(),
});
const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
const parse = (text: string) => JSON.parse(text) as Record<string, unknown>;
const withScrypt = (change: object) => {
  const fields = parse(encodeProtected(closed()));
  const scryptFields = { ...(fields['scrypt'] as object), ...change };
  return `${JSON.stringify({ ...fields, scrypt: scryptFields }, null, 2)}\n`;
};
/** Reads either kind, as `keys-at-rest` does. */
function decode(text: string): StoredKeys | ProtectedKeyFile {
  const bytes = new TextEncoder().encode(text);
  return isUnprotected(bytes) ? decodeUnprotected(bytes) : decodeProtected(text);
}
const inTheClear = (keys = keysOf(1)) => Buffer.from(encodeUnprotected(keys)).toString('latin1');
const closed = (keys = keysOf(1)) => protect(keys, { passphraseKey, scrypt, secretsSalt });

beforeAll(ready);

describe('unprotected', () => {
  test('decoding gives back the same keys', () => {
    expect(plain(decodeUnprotected(encodeUnprotected(keysOf(1))))).toEqual(plain(keysOf(1)));
  });

  test('the text says what it is, and that it is not protected', () => {
    const text = inTheClear();
    const fields = parse(text);
    expect(Object.keys(fields)).toEqual([
      'agentmesh',
      'version',
      'protection',
      'signing',
      'dh',
      'signingSeed',
      'dhScalar',
      'storeKey',
      'checksum',
    ]);
    expect(text.startsWith('{\n  "agentmesh": "key-file",\n  "version": 2,\n')).toBe(true);
    expect(fields['protection']).toBe('none');
  });

  test('keys of one file under the public keys of another are refused', () => {
    const mine = parse(inTheClear());
    const other = parse(inTheClear(keysOf(2)));
    for (const field of ['signing', 'dh', 'signingSeed', 'dhScalar', 'storeKey', 'checksum']) {
      const mixed = { ...mine, [field]: other[field] };
      expect(() => decode(`${JSON.stringify(mixed, null, 2)}\n`)).toThrow(MALFORMED);
    }
  });
});

describe('protected', () => {
  test('the right key opens what was protected', () => {
    const file = decodeProtected(encodeProtected(closed()));
    if (file.protection !== 'scrypt') throw new TypeError('protected expected');
    expect(file).toEqual(closed());
    expect(plain(unlock(file, passphraseKey))).toEqual(plain(keysOf(1)));
  });

  test('another key does not open it', () => {
    for (const bit of [0, 100, 255]) {
      const wrong = passphraseKey.slice();
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => unlock(closed(), wrong)).toThrow(WRONG_PASSPHRASE);
    }
  });

  test('the text holds none of the secrets', () => {
    const text = encodeProtected(closed());
    for (const secret of Object.values(plain(keysOf(1)))) {
      expect(text).not.toContain(base64url(secret));
    }
  });

  test('both ciphertexts are bound to the public keys, the cost and the salts', () => {
    const { signing, dh } = keysOf(9).keyPair.identity;
    const file = closed();
    const changes: Partial<ProtectedKeyFile>[] = [
      { signing },
      { dh },
      { scrypt: { ...scrypt, N: 2 ** 16 } },
      { scrypt: { ...scrypt, salt: new Uint8Array(32) } },
    ];
    for (const change of changes) {
      const text = encodeProtected({ ...file, ...change });
      const forged = decodeProtected(text);
      if (forged.protection !== 'scrypt') throw new TypeError('protected expected');
      expect(() => unlock(forged, passphraseKey)).toThrow(WRONG_PASSPHRASE);
    }
    const other = protect(keysOf(9), { passphraseKey, scrypt, secretsSalt });
    for (const change of [{ secrets: other.secrets }, { secretsSalt: new Uint8Array(16) }]) {
      expect(() => unlock({ ...file, ...change }, passphraseKey)).toThrow(MALFORMED);
    }
  });

  test.each([0, 1, 2 ** 13, 2 ** 17 + 1, 2 ** 21, 2 ** 31, -(2 ** 17), 0.5, '131072', null])(
    'scrypt with N = %p is refused before anything is computed',
    (N) => {
      expect(() => decodeProtected(withScrypt({ N }))).toThrow('parameters are out of bounds');
    },
  );

  test.each([{ r: 1 }, { r: 9 }, { r: 2 ** 20 }, { p: 0 }, { p: 2 }])(
    'scrypt with %p is refused before anything is computed',
    (change) => {
      expect(() => decodeProtected(withScrypt(change))).toThrow('parameters are out of bounds');
    },
  );

  test.each(['', 'AA', null])('a scrypt salt %p is refused', (salt) => {
    expect(() => decodeProtected(withScrypt({ salt }))).toThrow(MALFORMED);
  });

  test('the two ends of N are accepted', () => {
    for (const N of [2 ** 14, 2 ** 20]) {
      const text = encodeProtected({ ...closed(), scrypt: { ...scrypt, N } });
      expect(decodeProtected(text)).toMatchObject({ scrypt: { N } });
    }
  });

  test('the checksum is over every field', () => {
    const file = closed();
    const head = [label('key-file'), u8(2), u8(1), file.signing, file.dh];
    const cost = [u32(2 ** 17), u32(8), u32(1), scrypt.salt];
    const rest = [file.storeKey, file.secretsSalt, file.secrets];
    const digest = sha256(
      label('key-file-checksum'),
      u8(2),
      concatBytes(...head, ...cost),
      ...rest,
    );
    expect(parse(encodeProtected(file))['checksum']).toBe(base64url(digest));
  });
});

describe('one encoding only', () => {
  const texts = (): string[] => [inTheClear(), encodeProtected(closed())];

  test('every prefix and every one-byte extension is refused', () => {
    for (const text of texts()) {
      for (let length = 0; length < text.length; length++) {
        expect(() => decode(text.slice(0, length))).toThrow(MALFORMED);
      }
      for (let byte = 0; byte < 256; byte++) {
        expect(() => decode(text + String.fromCharCode(byte))).toThrow(MALFORMED);
      }
    }
  });

  test('every flipped bit is refused', () => {
    for (const text of texts()) {
      const bytes = new TextEncoder().encode(text);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = bytes.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        // Without `fatal` the top bit of a byte gives U+FFFD: the format must refuse that too.
        const damaged = new TextDecoder().decode(flipped);
        expect(() => decode(damaged)).toThrow(MALFORMED);
      }
    }
  });

  test('other white space, another order, doubled, added and polluting fields are refused', () => {
    for (const text of texts()) {
      const fields = parse(text);
      const variants = [
        JSON.stringify(fields),
        text.replaceAll('\n', '\r\n'),
        `${JSON.stringify(Object.fromEntries(Object.entries(fields).toReversed()), null, 2)}\n`,
        `${JSON.stringify({ ...fields, extra: 1 }, null, 2)}\n`,
        text.replace('"version": 2,', '"version": 2,\n  "version": 2,'),
        text.replace('"version": 2,', '"version": 2.0,'),
        text.replace('"version": 2,', '"version": 2,\n  "__proto__": {"storeKey": "AA"},'),
        text.replace('"agentmesh"', '"agent\\u006desh"'),
        `\uFEFF${text}`,
      ];
      for (const variant of variants) expect(() => decode(variant)).toThrow(MALFORMED);
      expect(Object.keys(Object.prototype)).toEqual([]);
    }
  });

  test.each(['', 'null', '[]', '"key-file"', '7', '{}', '{"agentmesh":"key-file"}', '{', '\0'])(
    '%j is refused',
    (text) => {
      expect(() => decode(text)).toThrow(MALFORMED);
      expect(() => decodeLegacyKeyFile(text)).toThrow(MALFORMED);
    },
  );

  test('another version is refused with its reason', () => {
    const text = inTheClear().replace('"version": 2', '"version": 3');
    expect(() => decode(text)).toThrow('only version 2 is known here');
  });
});

describe('the file of the Python package', () => {
  const seed = new Uint8Array(32).fill(0xfb);
  const scalar = new Uint8Array(32).fill(0xfe);
  const legacy = { identity_private: base64url(seed), exchange_private: base64url(scalar) };

  test('the same two keys go on, padded or not, whatever the white space', () => {
    const padded = {
      identity_private: `${base64url(seed)}=`,
      exchange_private: `${base64url(scalar)}=`,
    };
    const texts = [
      JSON.stringify(legacy),
      JSON.stringify(padded, null, 2),
      `${JSON.stringify(padded)}\r\n`,
    ];
    for (const text of texts) {
      const keys = decodeLegacyKeyFile(text);
      expect(keys.keyPair.exportSecrets()).toEqual({ signingSeed: seed, dhScalar: scalar });
    }
  });

  test('the store key is derived from both keys, each time the same', () => {
    const storeKey = (fields: object) =>
      base64url(decodeLegacyKeyFile(JSON.stringify(fields)).storeKey.reveal());
    const all = [
      storeKey(legacy),
      storeKey({ ...legacy, identity_private: legacy.exchange_private }),
      storeKey({ ...legacy, exchange_private: legacy.identity_private }),
    ];
    expect(new Set(all).size).toBe(3);
    expect(storeKey(legacy)).toBe(all[0]);
    expect(storeKey({ ...legacy, agent_id: 'al"ice: {', version: 1, x: null })).toBe(all[0]);
  });

  test('missing, doubled, nested and misspelt keys are refused', () => {
    const { identity_private: one, exchange_private: two } = legacy;
    const texts = [
      JSON.stringify({ identity_private: one }),
      JSON.stringify({ exchange_private: two }),
      `{"identity_private":"${one}","exchange_private":"${two}","identity_private":"${two}"}`,
      `{"identity_private":"${one}","exchange_private":"${two}","identity\\u005fprivate":"${two}"}`,
      JSON.stringify({ keys: legacy }),
      JSON.stringify({ ...legacy, more: {} }),
      JSON.stringify([legacy]),
      `{"__proto__":${JSON.stringify(legacy)}}`,
    ];
    for (const text of texts) expect(() => decodeLegacyKeyFile(text)).toThrow(MALFORMED);
  });

  test.each([
    'AA',
    'A'.repeat(42),
    'A'.repeat(44),
    `${'A'.repeat(43)}==`,
    `${'A'.repeat(42)}B`,
    `${'A'.repeat(42)}+`,
    ` ${'A'.repeat(43)}`,
    7,
    null,
  ])('%p is not a key', (key) => {
    const text = JSON.stringify({ ...legacy, identity_private: key });
    expect(() => decodeLegacyKeyFile(text)).toThrow(MALFORMED);
  });
});
