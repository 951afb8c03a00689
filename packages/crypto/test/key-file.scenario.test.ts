/**
 * Key files on a real disk: life of a file, other processes, other users, and damage.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { CryptoError } from '../src/errors.js';
import type { CryptoErrorCode } from '../src/errors.js';
import { createKeyFile, loadKeyFile, loadOrCreateKeyFile } from '../src/node.js';
import type { LoadedKeys } from '../src/node.js';

const notOnWindows = process.platform === 'win32' ? test.skip : test;
const unprotected = { unprotected: true };
const passphrase = 'correct horse battery staple';
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agentmesh-key-file-'));
  path = join(folder, 'alice.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const refusal = (code: CryptoErrorCode) =>
  expect.objectContaining({ name: 'CryptoError', code, retryable: code === 'KEY_FILE_IO' });

async function refused(action: Promise<unknown>): Promise<CryptoError> {
  const error = await action.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CryptoError)) throw new TypeError('a refusal expected');
  return error;
}

const secretsOf = ({ keyPair, storeKey }: Pick<LoadedKeys, 'keyPair' | 'storeKey'>) => ({
  ...keyPair.exportSecrets(),
  storeKey: storeKey.reveal(),
});

/** Every spelling in which 32 secret bytes could turn up in a text. */
const spellings = (bytes: Uint8Array) =>
  [
    ...(['hex', 'base64', 'base64url'] as const).map((encoding) =>
      Buffer.from(bytes).toString(encoding),
    ),
    [...bytes].join(', '),
    [...bytes].join(','),
  ].map((text) => text.slice(0, 24));

/** Runs with the rights of nobody in particular; root could write anywhere. */
async function withoutPrivileges<T>(action: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return action();
  process.seteuid?.(65_534);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
  }
}

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

  test('missing folders are made for the owner only, the file has mode 0600, nothing else stays', async () => {
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

  test('the right passphrase opens; a wrong or absent one is told apart, and changes nothing', async () => {
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

describe('other users', () => {
  notOnWindows('a file that group or others may touch is refused with the way out', async () => {
    await createKeyFile(path, unprotected);
    for (const mode of [0o604, 0o640, 0o620, 0o602, 0o601, 0o610, 0o644, 0o777]) {
      await chmod(path, mode);
      const error = await refused(loadOrCreateKeyFile(path, unprotected));
      expect(error).toEqual(refusal('KEY_FILE_PERMISSIONS'));
      expect(error.message).toContain(`chmod 600 ${path}`);
    }
    for (const mode of [0o600, 0o400, 0o700]) {
      await chmod(path, mode);
      await expect(loadKeyFile(path)).resolves.toBeDefined();
    }
  });

  notOnWindows('a path that a shell would take apart is quoted', async () => {
    path = join(folder, "it's; rm.json");
    await createKeyFile(path, unprotected);
    await chmod(path, 0o644);
    const error = await refused(loadKeyFile(path));
    expect(error.message).toContain(`chmod 600 '${folder}/it'\\''s; rm.json'`);
  });

  notOnWindows('a link is followed, and the mode of the file behind it counts', async () => {
    const made = await createKeyFile(path, unprotected);
    const linked = join(folder, 'link.json');
    await symlink(path, linked);
    expect(secretsOf(await loadOrCreateKeyFile(linked, unprotected))).toEqual(secretsOf(made));
    await chmod(path, 0o640);
    await expect(loadKeyFile(linked)).rejects.toThrow(refusal('KEY_FILE_PERMISSIONS'));
  });

  notOnWindows('a link to nothing is refused and not replaced', async () => {
    await symlink(join(folder, 'nothing'), path);
    await expect(loadKeyFile(path)).rejects.toThrow(refusal('KEY_FILE_NOT_FOUND'));
    await expect(loadOrCreateKeyFile(path, unprotected)).rejects.toThrow(refusal('KEY_FILE_IO'));
    await expect(createKeyFile(path, unprotected)).rejects.toThrow(refusal('KEY_FILE_EXISTS'));
    expect(await readdir(folder)).toEqual(['alice.json']);
  });

  notOnWindows(
    'a folder or file without the right to it is KEY_FILE_IO, nothing left over',
    async () => {
      const closed = join(folder, 'closed');
      await mkdir(closed, { mode: 0o555 });
      await createKeyFile(path, unprotected);
      await chmod(path, 0o000);
      await chmod(folder, 0o755);
      await withoutPrivileges(async () => {
        for (const open of [createKeyFile, loadOrCreateKeyFile]) {
          const error = await refused(open(join(closed, 'new.json'), unprotected));
          expect(error).toEqual(refusal('KEY_FILE_IO'));
          expect(error.message).toContain('EACCES');
        }
        await expect(loadKeyFile(path)).rejects.toThrow(refusal('KEY_FILE_IO'));
      });
      expect(await readdir(closed)).toEqual([]);
    },
  );

  const asRoot = process.geteuid?.() === 0 ? test : test.skip;
  asRoot('a file of another user, private to him, can be loaded by root [root only]', async () => {
    await createKeyFile(path, unprotected);
    await chown(path, 65_534, 65_534);
    await expect(loadKeyFile(path)).resolves.toBeDefined();
  });
});

describe('damage', () => {
  notOnWindows('devices and named pipes are refused at once', async () => {
    await expect(loadKeyFile('/dev/zero')).rejects.toThrow(refusal('KEY_FILE_MALFORMED'));
    await once(spawn('mkfifo', ['-m', '600', path]), 'close');
    expect((await stat(path)).isFIFO()).toBe(true);
    await expect(loadKeyFile(path)).rejects.toThrow(refusal('KEY_FILE_MALFORMED'));
  });

  test('what is not a regular file is refused', async () => {
    await mkdir(path);
    await expect(loadOrCreateKeyFile(path, unprotected)).rejects.toThrow(
      refusal('KEY_FILE_MALFORMED'),
    );
    await expect(createKeyFile(path, unprotected)).rejects.toThrow(refusal('KEY_FILE_EXISTS'));
    expect(await readdir(path)).toEqual([]);
    await expect(loadKeyFile(join(path, 'x', 'y'))).rejects.toThrow(refusal('KEY_FILE_NOT_FOUND'));
  });

  test('an empty file and a huge one are refused without being read whole', async () => {
    await writeFile(path, '', { mode: 0o600 });
    await expect(loadKeyFile(path)).rejects.toThrow(refusal('KEY_FILE_MALFORMED'));
    await truncate(path, 8 * 1024 ** 3);
    const started = performance.now();
    await expect(loadKeyFile(path)).rejects.toThrow('has more than 16384 bytes');
    expect(performance.now() - started).toBeLessThan(500);
  });

  test.each([
    ['unprotected', { ...unprotected, passphrase: undefined }],
    ['protected', { unprotected: false, passphrase }],
  ])('flipped bits and cuts of a file that is %s are refused', async (_kind, options) => {
    // All bits and cuts are tried on the format (key-file.test.ts); here one in 13, on the disk.
    await createKeyFile(path, options);
    const intact = await readFile(path);
    const codes = new Set<string>();
    for (let bit = 0; bit < intact.length * 8; bit += 13) {
      const bytes = Buffer.from(intact);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await writeFile(path, bytes);
      codes.add((await refused(loadKeyFile(path, options))).code);
    }
    for (let length = 0; length < intact.length; length += 13) {
      await writeFile(path, intact.subarray(0, length));
      codes.add((await refused(loadKeyFile(path, options))).code);
    }
    expect([...codes]).toEqual(['KEY_FILE_MALFORMED']);
    await writeFile(path, intact);
    await expect(loadKeyFile(path, options)).resolves.toBeDefined();
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

describe('other processes', () => {
  const script = fileURLToPath(new URL('key-file-child.mjs', import.meta.url));
  const door = fileURLToPath(new URL('../dist/node.js', import.meta.url));

  async function start(paths: readonly string[]): Promise<ChildProcessWithoutNullStreams> {
    if (!existsSync(door)) throw new Error('build the package first: these processes use dist');
    const child = spawn(process.execPath, [script, ...paths]);
    child.stderr.pipe(process.stderr);
    await once(child.stdout, 'data');
    return child;
  }

  test('processes that race to create the same files all end with the same identities', async () => {
    const paths = Array.from({ length: 25 }, (_, i) => join(folder, `agent-${i}.json`));
    const children = await Promise.all([1, 2, 3, 4].map(() => start(paths)));
    const outputs = children.map(async (child) => {
      const lines: string[] = [];
      for await (const line of createInterface({ input: child.stdout })) lines.push(line);
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    });
    for (const child of children) child.stdin.write('go\n');
    const results = (await Promise.all(outputs)).flat();
    expect(results).toHaveLength(100);
    for (const each of paths) {
      const mine = results.filter((result) => result['path'] === each);
      expect(new Set(mine.map(({ address, store }) => JSON.stringify([address, store]))).size).toBe(
        1,
      );
      expect(mine.filter(({ created }) => created === true)).toHaveLength(1);
      expect((await loadKeyFile(each)).keyPair.address).toBe(mine[0]?.['address']);
    }
    expect((await readdir(folder)).toSorted()).toEqual(
      paths.map((each) => each.slice(folder.length + 1)).toSorted(),
    );
  });

  test('a process killed at any moment leaves whole files or none', async () => {
    for (let round = 0; round < 5; round++) {
      const at = join(folder, String(round));
      const child = await start(Array.from({ length: 2000 }, (_, i) => join(at, `${i}.json`)));
      child.stdout.resume();
      child.stdin.write('go\n');
      await new Promise((resolve) => setTimeout(resolve, 20 + 37 * round));
      child.kill('SIGKILL');
      await once(child, 'close');
      const names = existsSync(at) ? await readdir(at) : [];
      for (const name of names.filter((each) => each.endsWith('.json'))) {
        await expect(loadKeyFile(join(at, name))).resolves.toBeDefined();
      }
      expect(names.filter((each) => each.endsWith('.tmp')).length).toBeLessThanOrEqual(1);
    }
  });
});
