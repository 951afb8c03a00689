/** One identity follows another in a key file: prepared whole, put in its place in one step. */
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AgentKeyPair } from '../src/index.js';
import {
  createKeyFile,
  discardNextKeys,
  loadKeyFile,
  loadNextKeys,
  prepareNextKeys,
  promoteNextKeys,
} from '../src/node.js';
import type { SuccessionOptions } from '../src/node.js';
import { passphrase, refusal, refused, unprotected } from './key-file-refusal.js';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agentmesh-succession-'));
  path = join(folder, 'alice.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the next keys', () => {
  const protections: [string, SuccessionOptions][] = [
    ['in the clear', unprotected],
    ['under the passphrase', { passphrase }],
  ];

  test.each(protections)(
    'are prepared beside the present ones and take their place, %s',
    async (_, protection) => {
      const { passphrase: given } = protection;
      const present = await createKeyFile(path, protection);
      expect(await loadNextKeys(path, protection)).toBeNull();
      const next = await prepareNextKeys(path, protection);
      expect((await stat(`${path}.next`)).mode & 0o777).toBe(0o600);
      expect((await loadKeyFile(path, { passphrase: given })).keyPair.address).toBe(
        present.keyPair.address,
      );
      expect((await loadNextKeys(path, protection))?.address).toBe(next.address);
      await promoteNextKeys(path);
      const loaded = await loadKeyFile(path, { passphrase: given });
      expect(loaded.keyPair.address).toBe(next.address);
      expect(loaded.storeKey.reveal()).toEqual(present.storeKey.reveal());
      expect(await readdir(folder)).toEqual(['alice.json']);
    },
  );

  test('are the same when they are prepared again, and those that are given', async () => {
    await createKeyFile(path, unprotected);
    const keyPair = AgentKeyPair.generate();
    const next = await prepareNextKeys(path, { ...unprotected, keyPair });
    expect(next.address).toBe(keyPair.address);
    const again = await prepareNextKeys(path, unprotected);
    expect(again.address).toBe(next.address);
  });

  test('stay where the file really is, when the path is a link', async () => {
    const real = join(folder, 'secrets.json');
    await createKeyFile(real, unprotected);
    await symlink(real, path);
    const next = await prepareNextKeys(path, unprotected);
    await promoteNextKeys(path);
    expect((await loadKeyFile(real)).keyPair.address).toBe(next.address);
    expect((await readdir(folder)).toSorted()).toEqual(['alice.json', 'secrets.json']);
  });

  test('are forgotten, and forgotten again', async () => {
    await createKeyFile(path, unprotected);
    await prepareNextKeys(path, unprotected);
    await discardNextKeys(path);
    await discardNextKeys(path);
    expect(await loadNextKeys(path, unprotected)).toBeNull();
  });

  test('that are damaged are refused, and the present file stays as it is', async () => {
    await createKeyFile(path, unprotected);
    await prepareNextKeys(path, unprotected);
    const before = await readFile(path);
    await writeFile(`${path}.next`, '{"agentmesh":"key-file"}', { mode: 0o600 });
    expect(await refused(loadNextKeys(path, unprotected))).toEqual(refusal('KEY_FILE_MALFORMED'));
    expect(await refused(prepareNextKeys(path, unprotected))).toEqual(
      refusal('KEY_FILE_MALFORMED'),
    );
    expect(await readFile(path)).toEqual(before);
  });

  test('without any there is nothing to put in place', async () => {
    const { keyPair } = await createKeyFile(path, unprotected);
    expect(await refused(promoteNextKeys(path))).toEqual(refusal('KEY_FILE_IO'));
    expect((await loadKeyFile(path)).keyPair.address).toBe(keyPair.address);
  });
});
