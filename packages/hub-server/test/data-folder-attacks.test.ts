/**
 * A data folder that another user prepared or can reach: links in the places of the hub's files,
 * and owners and modes that leave its key to others.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { SqliteHubStore } from '../src/index.js';
import { faultOf } from '../src/private-files.js';
import { Command, expectRefusal, runHub } from './hub-command.js';
import { inFolder } from './store-samples.js';

jest.setTimeout(60_000);

/** Only root may give a folder away; elsewhere this is skipped by name. */
const asRoot = process.platform !== 'win32' && process.getuid?.() === 0 ? test : test.skip;
const onPosix = process.platform === 'win32' ? test.skip : test;
const NOBODY = 65_534;

async function madeBefore(folder: string): Promise<void> {
  const hub = await Command.start(['--data', folder, '--registration', 'token']);
  hub.signal('SIGTERM');
  expect(await hub.exit()).toBe(0);
}

const start = ['--port', '0', '--registration', 'token'];

describe('T-A20 prepared-folder', () => {
  test.each(['hub.reserve', 'hub.db', 'hub.db-wal', 'tls.pem', 'tokens'])(
    'a link at %s is refused, and what it leads to stays as it is',
    (name) =>
      inFolder((folder) => {
        const data = join(folder, 'data');
        mkdirSync(data, { mode: 0o700 });
        const precious = join(folder, 'precious');
        writeFileSync(precious, 'precious-token-1\n', { mode: 0o600 });
        symlinkSync(precious, join(data, name));
        expectRefusal(runHub(['--data', data, ...start]), 1, 'is a link');
        expect(readFileSync(precious, 'utf8')).toBe('precious-token-1\n');
        return Promise.resolve();
      }),
  );

  test('a link at tls.pem.new is replaced, not followed: no key leaves the folder', () =>
    inFolder(async (folder) => {
      const data = join(folder, 'data');
      mkdirSync(data, { mode: 0o700 });
      const precious = join(folder, 'precious');
      writeFileSync(precious, 'precious');
      symlinkSync(precious, join(data, 'tls.pem.new'));
      await madeBefore(data);
      expect(readFileSync(precious, 'utf8')).toBe('precious');
      expect(lstatSync(join(data, 'tls.pem')).isFile()).toBe(true);
      expect(readFileSync(join(data, 'tls.pem'), 'utf8')).toContain('PRIVATE KEY');
    }));

  test.each([0o777, 0o1777, 0o702])('a folder of mode %o is refused and left empty', (mode) =>
    inFolder((folder) => {
      const data = join(folder, 'data');
      mkdirSync(data);
      chmodSync(data, mode);
      expectRefusal(runHub(['--data', data, ...start]), 1, 'can be changed by other users');
      expect(readdirSync(data)).toEqual([]);
      return Promise.resolve();
    }),
  );

  asRoot('a folder of another user is refused and left empty', () =>
    inFolder((folder) => {
      const data = join(folder, 'data');
      mkdirSync(data, { mode: 0o700 });
      chownSync(data, NOBODY, NOBODY);
      expectRefusal(runHub(['--data', data, ...start]), 1, `belongs to user ${NOBODY}`);
      expect(readdirSync(data)).toEqual([]);
      return Promise.resolve();
    }),
  );

  asRoot('a database of another user is refused', () =>
    inFolder(async (folder) => {
      await madeBefore(folder);
      chownSync(join(folder, 'hub.db'), NOBODY, NOBODY);
      await expect(SqliteHubStore.open({ folder })).rejects.toMatchObject({
        code: 'STORE_UNSAFE',
        retryable: false,
      });
    }),
  );

  test.each(['hub.db', 'tls.pem', 'tokens'])('%s that others may change is refused', (name) =>
    inFolder(async (folder) => {
      await madeBefore(folder);
      chmodSync(join(folder, name), 0o666);
      expectRefusal(runHub(['--data', folder, ...start]), 1, 'can be changed by other users');
      chmodSync(join(folder, name), 0o600);
      await madeBefore(folder);
    }),
  );

  test.each(['tls.pem', 'tokens'])('%s that others may read is refused', (name) =>
    inFolder(async (folder) => {
      await madeBefore(folder);
      chmodSync(join(folder, name), 0o644);
      expectRefusal(runHub(['--data', folder, ...start]), 1, 'can be read by other users');
    }),
  );

  test.each(['hub.db', 'tls.pem', 'tokens'])('%s with another name elsewhere is refused', (name) =>
    inFolder(async (folder) => {
      const data = join(folder, 'data');
      await madeBefore(data);
      linkSync(join(data, name), join(folder, 'elsewhere'));
      expectRefusal(runHub(['--data', data, ...start]), 1, 'has another name');
    }),
  );

  test('a hard link at hub.reserve is refused, and what it leads to stays as it is', () =>
    inFolder((folder) => {
      const data = join(folder, 'data');
      mkdirSync(data, { mode: 0o700 });
      const precious = join(folder, 'precious');
      writeFileSync(precious, 'precious', { mode: 0o600 });
      linkSync(precious, join(data, 'hub.reserve'));
      expectRefusal(runHub(['--data', data, ...start]), 1, 'has another name');
      expect(readFileSync(precious, 'utf8')).toBe('precious');
      return Promise.resolve();
    }));

  onPosix('a pipe in the place of a file of the operator is refused, instead of being read', () =>
    inFolder((folder) => {
      const pipe = join(folder, 'pipe');
      execFileSync('mkfifo', ['-m', '600', pipe]);
      const hub = ['--data', join(folder, 'data'), '--port', '0', '--registration'];
      const tls = ['open', '--tls-cert', pipe, '--tls-key', pipe];
      const tokens = ['token', '--token-file', pipe];
      for (const args of [tokens, ['allowlist', '--allowlist-file', pipe], tls]) {
        expectRefusal(runHub([...hub, ...args]), 1, 'is not a file');
      }
      return Promise.resolve();
    }),
  );

  test('a folder below one in which everybody may rename is refused', () =>
    inFolder((folder) => {
      const shared = join(folder, 'shared');
      const data = join(shared, 'data');
      mkdirSync(data, { recursive: true, mode: 0o700 });
      chmodSync(shared, 0o777);
      expectRefusal(runHub(['--data', data, ...start]), 1, 'above the data folder');
      expect(readdirSync(data)).toEqual([]);
      return Promise.resolve();
    }));

  asRoot('a link of another user in the place of the folder is refused', () =>
    inFolder((folder) => {
      const data = join(folder, 'data');
      mkdirSync(data, { mode: 0o700 });
      const link = join(folder, 'link');
      symlinkSync(data, link);
      lchownSync(link, NOBODY, NOBODY);
      expectRefusal(runHub(['--data', link, ...start]), 1, `is a link of user ${NOBODY}`);
      expect(readdirSync(data)).toEqual([]);
      return Promise.resolve();
    }),
  );

  test("an operator's token file that others may read is refused", () =>
    inFolder((folder) => {
      const tokens = join(folder, 'my-tokens');
      writeFileSync(tokens, 'a-secret-token\n');
      chmodSync(tokens, 0o644);
      const args = ['--data', join(folder, 'data'), ...start, '--token-file', tokens];
      expectRefusal(runHub(args), 1, 'chmod 600 it');
      return Promise.resolve();
    }));

  test('the files of a hub that made its folder itself are its own alone', () =>
    inFolder(async (folder) => {
      const data = join(folder, 'a', 'b');
      await madeBefore(data);
      expect(statSync(data).mode & 0o777).toBe(0o700);
      for (const name of readdirSync(data)) {
        expect([name, statSync(join(data, name)).mode & 0o777]).toEqual([name, 0o600]);
      }
    }));

  test('a folder that takes no file ends the start at once', () => {
    if (process.platform !== 'linux') return;
    expectRefusal(runHub(['--data', '/proc/x', ...start]), 1, 'Data folder cannot be written');
  });
});

describe('whom the hub trusts with a file', () => {
  const caller = { uid: 1_000, groups: [1_000, 2_000] };
  const of = (mode: number, uid = 1_000, gid = 1_000) => ({ mode, uid, gid });

  test.each([
    ['its own private folder', of(0o700), 'folder', null],
    ['its own public folder', of(0o755), 'folder', null],
    ['a volume of the system for a group of its own', of(0o2775, 0, 2_000), 'folder', null],
    ['a folder for a foreign group', of(0o775, 1_000, 3_000), 'folder', 'changed'],
    ['a folder of somebody else', of(0o700, 1_001), 'folder', 'belongs to user 1001'],
    ['a secret of its own', of(0o600), 'secret', null],
    ['a secret of the system for a group of its own', of(0o440, 0, 2_000), 'secret', null],
    ['a secret for a foreign group', of(0o640, 1_000, 3_000), 'secret', 'read'],
    ['a secret for all', of(0o604), 'secret', 'read'],
    ['a secret that its group may change', of(0o660), 'secret', 'changed'],
    ['a certificate for all', of(0o644), 'public', null],
    ['a certificate that all may change', of(0o646), 'public', 'changed'],
  ] as const)('%s', (_what, stats, role, fault) => {
    const found = faultOf(stats, role, caller);
    if (fault === null) expect(found).toBeNull();
    else expect(found).toContain(fault);
  });
});
