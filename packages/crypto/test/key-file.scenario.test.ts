/** Life of a key file on a real disk, misuse of it, and what is shown of its secrets. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createKeyFile, loadKeyFile, loadOrCreateKeyFile } from '../src/node.js';
import { passphrase, refusal, refused, secretsOf, unprotected } from './key-file-refusal.js';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agentmesh-key-file-'));
  path = join(folder, 'alice.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Every spelling in which 32 secret bytes could turn up in a text. */
const spellings = (bytes: Uint8Array) =>
  [
    ...(['hex', 'base64', 'base64url'] as const).map((encoding) =>
      Buffer.from(bytes).toString(encoding),
    ),
    [...bytes].join(', '),
    [...bytes].join(','),
  ].map((text) => text.slice(0, 24));

describe('life of a file', () => {
  test('the first call creates, later calls load the same keys', async () => {
    const first = await loadOrCreateKeyFile(path, unprotected);
    expect(first).toMatchObject({ created: true, legacy: false });
    const second = await loadOrCreateKeyFile(path, unprotected);
    const third = await loadKeyFile(path);
    expect(second).toMatchObject({ created: false, legacy: false });
    expect(secretsOf(second)).toEqual(secretsOf(first));
    expect(secretsOf(third)).toEqual(secretsOf(first));
  });

  test('folders are made for the owner only, the file has 0600, nothing else stays', async () => {
    path = join(folder, 'deep', '.keys', 'alice.json');
    await createKeyFile(path, unprotected);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'deep'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(folder, 'deep', '.keys'))).toEqual(['alice.json']);
  });

  test('randomness is what was handed in, and a new file is different each time', async () => {
    const counting = () => {
      let next = 0;
      return (length: number) => Uint8Array.from({ length }, () => next++ & 0xff);
    };
    const one = await createKeyFile(path, { ...unprotected, random: counting() });
    const other = join(folder, 'bob.json');
    const two = await createKeyFile(other, { ...unprotected, random: counting() });
    expect(one.storeKey.reveal()[0]).toBe(64);
    expect(await readFile(other)).toEqual(await readFile(path));
    expect(two.keyPair.address).toBe(one.keyPair.address);
    const three = await createKeyFile(join(folder, 'carol.json'), unprotected);
    expect(three.keyPair.address).not.toBe(one.keyPair.address);
  });

  test('the right passphrase opens; a wrong or absent one is told apart', async () => {
    const made = await createKeyFile(path, { passphrase });
    const before = await readFile(path);
    expect(secretsOf(await loadKeyFile(path, { passphrase }))).toEqual(secretsOf(made));
    for (const load of [loadKeyFile, loadOrCreateKeyFile]) {
      await expect(load(path)).rejects.toThrow(refusal('KEY_FILE_PASSPHRASE_REQUIRED'));
      await expect(load(path, { passphrase: `${passphrase} ` })).rejects.toThrow(
        refusal('KEY_FILE_WRONG_PASSPHRASE'),
      );
    }
    expect(await readFile(path)).toEqual(before);
  });

  test('a passphrase is the same however its accents are composed', async () => {
    await createKeyFile(path, { passphrase: 'caf\u00e9' });
    await expect(loadKeyFile(path, { passphrase: 'cafe\u0301' })).resolves.toBeDefined();
  });

  test('with a passphrase no unprotected file is accepted', async () => {
    await createKeyFile(path, unprotected);
    await expect(loadOrCreateKeyFile(path, { passphrase })).rejects.toThrow(
      refusal('KEY_FILE_WRONG_PASSPHRASE'),
    );
  });

  test('keys move to a new file under another passphrase', async () => {
    const made = await createKeyFile(path, unprotected);
    const moved = join(folder, 'moved.json');
    const copy = await createKeyFile(moved, { passphrase, keys: await loadKeyFile(path) });
    expect(copy.created).toBe(true);
    expect(secretsOf(await loadKeyFile(moved, { passphrase }))).toEqual(secretsOf(made));
  });

  test('an existing file is never overwritten', async () => {
    await writeFile(path, 'something else', { mode: 0o600 });
    await expect(createKeyFile(path, unprotected)).rejects.toThrow(refusal('KEY_FILE_EXISTS'));
    await expect(loadOrCreateKeyFile(path, unprotected)).rejects.toThrow(
      refusal('KEY_FILE_MALFORMED'),
    );
    expect(await readFile(path, 'utf8')).toBe('something else');
    expect(await readdir(folder)).toEqual(['alice.json']);
  });

  test('the file of the Python package is loaded and left as it is', async () => {
    const fields = {
      agent_id: 'alice',
      identity_private: `${Buffer.alloc(32, 1).toString('base64url')}=`,
      exchange_private: `${Buffer.alloc(32, 2).toString('base64url')}=`,
    };
    const text = JSON.stringify(fields);
    await writeFile(path, text, { mode: 0o600 });
    const keys = await loadOrCreateKeyFile(path, unprotected);
    expect(keys).toMatchObject({ created: false, legacy: true });
    expect(keys.keyPair.exportSecrets()).toEqual({
      signingSeed: new Uint8Array(32).fill(1),
      dhScalar: new Uint8Array(32).fill(2),
    });
    expect(secretsOf(await loadKeyFile(path))).toEqual(secretsOf(keys));
    await expect(loadKeyFile(path, { passphrase })).rejects.toThrow(
      refusal('KEY_FILE_WRONG_PASSPHRASE'),
    );
    expect(await readFile(path, 'utf8')).toBe(text);
    expect(await readdir(folder)).toEqual(['alice.json']);
  });
});

describe('misuse', () => {
  test('a new file needs a passphrase or the word unprotected, never both', async () => {
    for (const options of [
      {},
      { unprotected: false },
      { passphrase, unprotected: true },
      { passphrase: '' },
      { passphrase: '\ud800' },
    ]) {
      await expect(createKeyFile(path, options)).rejects.toThrow(refusal('INVALID_ARGUMENT'));
      await expect(loadOrCreateKeyFile(path, options)).rejects.toThrow(refusal('INVALID_ARGUMENT'));
    }
    expect(await readdir(folder)).toEqual([]);
  });

  test.each(['', 'a\0b'])('the path %j is INVALID_ARGUMENT', async (bad) => {
    await expect(loadKeyFile(bad)).rejects.toThrow(refusal('INVALID_ARGUMENT'));
    await expect(createKeyFile(bad, unprotected)).rejects.toThrow(refusal('INVALID_ARGUMENT'));
  });

  test('a missing file is KEY_FILE_NOT_FOUND', async () => {
    const error = await refused(loadKeyFile(path));
    expect(error).toEqual(refusal('KEY_FILE_NOT_FOUND'));
    expect(error.message).toContain(path);
  });
});

test('neither errors nor printed keys hold a secret', async () => {
  const made = await createKeyFile(path, unprotected);
  const text = await readFile(path, 'utf8');
  const texts = [
    inspect(made, { depth: null, showHidden: true }),
    JSON.stringify(made),
    String(made.storeKey),
  ];
  const broken = [
    text.slice(0, -3),
    text.replace('"checksum"', 'checksum'),
    text.replace('\n  "storeKey"', '\n  "other"'),
    `${text}x`,
    text.replaceAll('"', ''),
  ];
  for (const variant of broken) {
    await writeFile(path, variant);
    const error = await refused(loadKeyFile(path, {}));
    texts.push(inspect(error, { depth: null, showHidden: true }), error.stack ?? '', String(error));
  }
  const protectedPath = join(folder, 'protected.json');
  await createKeyFile(protectedPath, { passphrase, keys: made });
  const error = await refused(loadKeyFile(protectedPath, { passphrase: 'wrong horse' }));
  texts.push(
    inspect(error, { depth: null, showHidden: true }),
    await readFile(protectedPath, 'utf8'),
  );
  const forbidden = [
    ...Object.values(secretsOf(made)).flatMap(spellings),
    passphrase,
    'wrong horse',
  ];
  for (const secret of forbidden) {
    for (const shown of texts) expect(shown).not.toContain(secret);
  }
  expect(text).toContain(forbidden[2]);
});
