/** ML-KEM-768 through our functions: Wycheproof, which includes the CCTV cases. */
import { beforeAll, expect, test } from '@jest/globals';
import { decapsulate, encapsulate, KEM_CIPHERTEXT_BYTES, kemKeyPair } from '../src/ml-kem.js';
import { checkKemKey } from '../src/public-key.js';
import { ready } from '../src/sodium.js';
import { failing, wycheproof } from './wycheproof.js';

beforeAll(ready);

const BAD_KEY = expect.objectContaining({ code: 'BAD_KEY' });
const INVALID_ARGUMENT = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

function refuses(action: () => unknown, refusal: typeof BAD_KEY): boolean {
  expect(action).toThrow(refusal);
  return true;
}

wycheproof('mlkem_768_keygen_seed_test.json', 'all 100 seeds give the published key', (groups) => {
  const vectors = groups.flatMap((group) => group.vectors);
  const wrong = failing(vectors, (vector) =>
    same(checkKemKey(kemKeyPair(vector.bytes('seed')).publicKey), vector.bytes('ek')),
  );
  expect(wrong).toEqual([]);
  expect(vectors).toHaveLength(100);
});

wycheproof('mlkem_768_encaps_test.json', 'all 265, bad keys refused at import', (groups) => {
  const vectors = groups.flatMap((group) => group.vectors);
  const wrong = failing(vectors, (vector) => {
    const key = vector.bytes('ek');
    if (vector.result === 'invalid') return refuses(() => checkKemKey(key), BAD_KEY);
    const { ciphertext, shared } = encapsulate(checkKemKey(key), vector.bytes('m'));
    return same(ciphertext, vector.bytes('c')) && same(shared, vector.bytes('K'));
  });
  expect(wrong).toEqual([]);
  expect(vectors).toHaveLength(265);
  const overModulus = vectors.filter(
    (vector) => vector.result === 'invalid' && vector.bytes('ek').length === 1184,
  );
  expect(overModulus).toHaveLength(112);
});

wycheproof('mlkem_768_test.json', 'all 193 decapsulations, wrong lengths refused', (groups) => {
  const vectors = groups.flatMap((group) => group.vectors);
  const wrong = failing(vectors, (vector) => {
    const open = () => {
      const pair = kemKeyPair(vector.bytes('seed'));
      return { publicKey: pair.publicKey, shared: decapsulate(pair, vector.bytes('c')) };
    };
    if (vector.result === 'invalid') return refuses(open, INVALID_ARGUMENT);
    const { publicKey, shared } = open();
    return same(publicKey, vector.bytes('ek')) && same(shared, vector.bytes('K'));
  });
  expect(wrong).toEqual([]);
  expect(vectors).toHaveLength(193);
});

wycheproof(
  'mlkem_768_semi_expanded_decaps_test.json',
  'of 9, nothing imports an expanded private key; the 2 ciphertexts of wrong length are refused',
  (groups) => {
    const vectors = groups.flatMap((group) => group.vectors);
    const pair = kemKeyPair(new Uint8Array(64).fill(1));
    for (const vector of vectors) {
      // Private keys exist as 64-byte seeds only, so no expanded key can even be handed in.
      expect(() => kemKeyPair(vector.bytes('dk'))).toThrow(INVALID_ARGUMENT);
    }
    const badCiphertexts = vectors.filter(({ flags }) =>
      flags.includes('IncorrectCiphertextLength'),
    );
    for (const vector of badCiphertexts) {
      expect(() => decapsulate(pair, vector.bytes('c'))).toThrow(INVALID_ARGUMENT);
    }
    expect([vectors.length, badCiphertexts.length]).toEqual([9, 2]);
  },
);

test('each flipped bit of a ciphertext gives another secret, never an error', () => {
  const pair = kemKeyPair(new Uint8Array(64).fill(2));
  const { ciphertext, shared } = encapsulate(pair.publicKey, new Uint8Array(32).fill(3));
  expect(decapsulate(pair, ciphertext)).toEqual(shared);
  for (let bit = 0; bit < KEM_CIPHERTEXT_BYTES * 8; bit += 41) {
    const flipped = ciphertext.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const other = decapsulate(pair, flipped);
    expect(other).toHaveLength(32);
    expect(other).not.toEqual(shared);
  }
});
