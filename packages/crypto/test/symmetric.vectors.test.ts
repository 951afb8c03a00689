/**
 * Published vectors of HMAC, HKDF, AES-256-GCM and SHA-2, each through both implementations with
 * the same body: RFC 4231, RFC 5869, the GCM submission's AES-256 cases (the samples of
 * SP 800-38D), FIPS 180-4, and Wycheproof.
 */
import { describe, expect, test } from '@jest/globals';
import * as hashNode from '../src/hash/node.js';
import * as hashNoble from '../src/hash/noble.js';
import type { Hash } from '../src/hash/types.js';
import * as symmetricNode from '../src/symmetric/node.js';
import * as symmetricNoble from '../src/symmetric/noble.js';
import type { Symmetric } from '../src/symmetric/types.js';
import { failing, hex, wycheproof } from './wycheproof.js';

const symmetrics: [string, Symmetric][] = [
  ['node', symmetricNode],
  ['noble', symmetricNoble],
];
const hashes: [string, Hash][] = [
  ['node', hashNode],
  ['noble', hashNoble],
];
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const utf8 = (text: string) => new TextEncoder().encode(text);
const same = (a: Uint8Array, b: Uint8Array) => toHex(a) === toHex(b);

/** RFC 4231 §4: key, data, HMAC-SHA-256 (case 5 is truncated to 16 bytes there). */
const RFC4231: [number, string, string, string][] = [
  [
    1,
    '0b'.repeat(20),
    toHex(utf8('Hi There')),
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  ],
  [
    2,
    toHex(utf8('Jefe')),
    toHex(utf8('what do ya want for nothing?')),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ],
  [
    3,
    'aa'.repeat(20),
    'dd'.repeat(50),
    '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
  ],
  [
    4,
    '0102030405060708090a0b0c0d0e0f10111213141516171819',
    'cd'.repeat(50),
    '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
  ],
  [5, '0c'.repeat(20), toHex(utf8('Test With Truncation')), 'a3b6167473100ee06e0c796c2955552b'],
  [
    6,
    'aa'.repeat(131),
    toHex(utf8('Test Using Larger Than Block-Size Key - Hash Key First')),
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  ],
  [
    7,
    'aa'.repeat(131),
    toHex(
      utf8(
        'This is a test using a larger than block-size key and a larger than block-size data. ' +
          'The key needs to be hashed before being used by the HMAC algorithm.',
      ),
    ),
    '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
  ],
];

const range = (from: number, to: number) =>
  toHex(Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i));

/** RFC 5869 Appendix A: the SHA-256 cases. */
const RFC5869 = [
  {
    name: 'A.1',
    ikm: '0b'.repeat(22),
    salt: range(0x00, 0x0c),
    info: range(0xf0, 0xf9),
    okm:
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf' + '34007208d5b887185865',
  },
  {
    name: 'A.2',
    ikm: range(0x00, 0x4f),
    salt: range(0x60, 0xaf),
    info: range(0xb0, 0xff),
    okm:
      'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c' +
      '59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71' +
      'cc30c58179ec3e87c14c01d5c1f3434f1d87',
  },
  {
    name: 'A.3',
    ikm: '0b'.repeat(22),
    salt: '',
    info: '',
    okm:
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d' + '9d201395faa4b61a96c8',
  },
];

const GCM_KEY = 'feffe9928665731c6d6a8f9467308308'.repeat(2);
const GCM_TEXT =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
  '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
const GCM_SEALED =
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
  '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad';

/** The AES-256 cases with a 96-bit nonce of the GCM submission, which SP 800-38D standardises. */
const GCM = [
  {
    name: 'case 13',
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    text: '',
    ad: '',
    sealed: '530f8afbc74536b9a963b4f1c4cb738b',
  },
  {
    name: 'case 14',
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    text: '00'.repeat(16),
    ad: '',
    sealed: 'cea7403d4d606b6e074ec5d3baf39d18' + 'd0d1c8a799996bf0265b98b5d48ab919',
  },
  {
    name: 'case 15',
    key: GCM_KEY,
    nonce: 'cafebabefacedbaddecaf888',
    text: GCM_TEXT,
    ad: '',
    sealed: GCM_SEALED + 'b094dac5d93471bdec1a502270e3cc6c',
  },
  {
    name: 'case 16',
    key: GCM_KEY,
    nonce: 'cafebabefacedbaddecaf888',
    text: GCM_TEXT.slice(0, 120),
    ad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    sealed: GCM_SEALED.slice(0, 120) + '76fc6ece0f4e1768cddf8853bb2d551b',
  },
];

describe.each(symmetrics)('%s symmetric', (_name, symmetric) => {
  test.each(RFC4231)('RFC 4231 case %d gives the published HMAC', (_case, key, data, mac) => {
    const ours = toHex(symmetric.hmacSha256(hex(key), hex(data)));
    expect(ours.slice(0, mac.length)).toBe(mac);
  });

  test.each(RFC5869)('RFC 5869 $name gives the published key', ({ ikm, salt, info, okm }) => {
    const length = okm.length / 2;
    const input = { ikm: hex(ikm), salt: hex(salt), info: hex(info), length };
    expect(toHex(symmetric.hkdfSha256(input))).toBe(okm);
  });

  test.each(GCM)('GCM $name seals and opens as published', (vector) => {
    const common = {
      key: hex(vector.key),
      nonce: hex(vector.nonce),
      associatedData: hex(vector.ad),
    };
    const sealed = symmetric.aes256GcmSeal({ ...common, plaintext: hex(vector.text) });
    expect(toHex(sealed)).toBe(vector.sealed);
    const opened = symmetric.aes256GcmOpen({ ...common, ciphertext: sealed });
    expect(opened).toEqual(hex(vector.text));
  });

  wycheproof('hmac_sha256_test.json', 'all 174, tags of 256 and 128 bits', (groups) => {
    let run = 0;
    for (const { header, vectors } of groups) {
      const tagBytes = Number(header['tagSize']) / 8;
      const wrong = failing(vectors, (vector) => {
        const mac = symmetric.hmacSha256(vector.bytes('key'), vector.bytes('msg'));
        const matches = same(mac.subarray(0, tagBytes), vector.bytes('tag'));
        return matches === (vector.result === 'valid');
      });
      expect(wrong).toEqual([]);
      run += vectors.length;
    }
    expect(run).toBe(174);
  });

  wycheproof('hkdf_sha256_test.json', 'all 86, excessive lengths refused', (groups) => {
    const vectors = groups.flatMap((group) => group.vectors);
    const wrong = failing(vectors, (vector) => {
      const input = {
        ikm: vector.bytes('ikm'),
        salt: vector.bytes('salt'),
        info: vector.bytes('info'),
        length: vector.number('size'),
      };
      if (vector.result === 'valid') return same(symmetric.hkdfSha256(input), vector.bytes('okm'));
      expect(() => symmetric.hkdfSha256(input)).toThrow('HKDF length must be an integer');
      return true;
    });
    expect(wrong).toEqual([]);
    expect(vectors).toHaveLength(86);
  });

  wycheproof('aes_gcm_test.json', '66 with 256-bit keys, 96-bit nonces, 128-bit tags', (groups) => {
    const vectors = groups
      .filter(({ header }) => header['keySize'] === 256 && header['ivSize'] === 96)
      .filter(({ header }) => header['tagSize'] === 128)
      .flatMap((group) => group.vectors);
    const wrong = failing(vectors, (vector) => {
      const common = {
        key: vector.bytes('key'),
        nonce: vector.bytes('iv'),
        associatedData: vector.bytes('aad'),
      };
      const ciphertext = Buffer.concat([vector.bytes('ct'), vector.bytes('tag')]);
      const opened = symmetric.aes256GcmOpen({ ...common, ciphertext });
      if (vector.result === 'invalid') return opened === null;
      const plaintext = vector.bytes('msg');
      const sealed = symmetric.aes256GcmSeal({ ...common, plaintext });
      return opened !== null && same(opened, plaintext) && same(sealed, ciphertext);
    });
    expect(wrong).toEqual([]);
    expect(vectors).toHaveLength(66);
  });

  wycheproof('aes_gcm_test.json', 'other key and nonce lengths are refused', (groups) => {
    const others = groups.filter(
      ({ header }) => header['keySize'] !== 256 || header['ivSize'] !== 96,
    );
    for (const { vectors } of others) {
      for (const vector of vectors) {
        const input = {
          key: vector.bytes('key'),
          nonce: vector.bytes('iv'),
          associatedData: vector.bytes('aad'),
          plaintext: vector.bytes('msg'),
        };
        expect(() => symmetric.aes256GcmSeal(input)).toThrow('must be');
      }
    }
    expect(others.length).toBeGreaterThan(10);
  });
});

/** Example messages published for FIPS 180-4. */
const SHA2 = [
  {
    name: 'empty',
    message: new Uint8Array(0),
    sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    sha512:
      'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce' +
      '47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
  },
  {
    name: 'abc',
    message: utf8('abc'),
    sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    sha512:
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
      '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  },
  {
    name: 'two blocks of SHA-256',
    message: utf8('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'),
    sha256: '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    sha512:
      '204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335' +
      '96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445',
  },
];

describe.each(hashes)('%s hash', (_name, hash) => {
  test.each(SHA2)('FIPS 180-4 $name, whole and split at every byte', (vector) => {
    const { message } = vector;
    expect(toHex(hash.sha256(message))).toBe(vector.sha256);
    expect(toHex(hash.sha512(message))).toBe(vector.sha512);
    for (let at = 0; at <= message.length; at++) {
      const parts = [message.subarray(0, at), message.subarray(at)];
      expect(toHex(hash.sha256(...parts))).toBe(vector.sha256);
      expect(toHex(hash.sha512(...parts))).toBe(vector.sha512);
    }
  });

  test('a million letters a give the published digests, in one part and in ten', () => {
    const sha256 = 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0';
    const tenth = new Uint8Array(100_000).fill(0x61);
    expect(toHex(hash.sha256(new Uint8Array(1_000_000).fill(0x61)))).toBe(sha256);
    expect(toHex(hash.sha256(...Array.from({ length: 10 }, () => tenth)))).toBe(sha256);
  });

  test('no parts give the digest of the empty message', () => {
    expect(hash.sha256()).toEqual(hash.sha256(new Uint8Array(0)));
    expect(hash.sha512()).toHaveLength(64);
  });
});
