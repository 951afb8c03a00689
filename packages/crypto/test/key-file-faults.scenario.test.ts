/** Key files on a real disk among other users, damage and other processes. */
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
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createKeyFile, loadKeyFile, loadOrCreateKeyFile } from '../src/node.js';
import {
  notOnWindows,
  passphrase,
  refusal,
  refused,
  secretsOf,
  unprotected,
} from './key-file-refusal.js';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agentmesh-key-file-'));
  path = join(folder, 'alice.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

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

  notOnWindows('what may not be written or read is KEY_FILE_IO, nothing left over', async () => {
    const closed = join(folder, 'closed');
    await mkdir(closed, { mode: 0o555 });
    await createKeyFile(path, unprotected);
    await chmod(path, 0o000);
    await chmod(folder, 0o755);
    await withoutPrivileges(async () => {
      for (const open of [createKeyFile, loadOrCreateKeyFile]) {
        const error = await refused(open(join(closed, 'new.json'), unprotected));
        // No retry gives anybody the right.
        expect(error).toMatchObject({ code: 'KEY_FILE_IO', retryable: false });
        expect(error.message).toContain('EACCES');
      }
      const denied = { code: 'KEY_FILE_IO', retryable: false };
      await expect(loadKeyFile(path)).rejects.toMatchObject(denied);
    });
    expect(await readdir(closed)).toEqual([]);
  });

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
    await expect(loadKeyFile(path)).rejects.toThrow('has more than 16384 bytes');
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

  test('processes that race for the same files all end with the same identities', async () => {
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
