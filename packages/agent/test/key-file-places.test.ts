/** Where people keep key files: in their home folder, and in mounted secrets of a container. */
import { chmodSync, chownSync, existsSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { loadOrCreateKeyFile } from '@agentmesh/crypto/node';
import { LocalHub } from '@agentmesh/hub-local';
import type { Agent as AgentType } from '../src/index.js';

jest.setTimeout(60_000);

let home = '';
jest.unstable_mockModule('node:os', () => ({ ...os, homedir: () => home }));
const { Agent } = await import('../src/index.js');
const { StoppedAgent } = await import('../src/node.js');
const { inFolder } = await import('./store-folder.js');

const start = (options: object): Promise<AgentType> =>
  Agent.create('alice', { hub: new LocalHub(), logLevel: 'silent', ...options });

test('a path that begins with ~/ is in the home folder, for keys, store and lists', () =>
  inFolder(async ({ folder }) => {
    home = folder;
    await (await start({ keypairPath: '~/keys/alice.json' })).close();
    expect(existsSync(join(folder, 'keys', 'alice.db'))).toBe(true);
    const stopped = await StoppedAgent.open('~/keys/alice.json');
    expect(stopped.name).toBe('alice');
    await stopped.close();
    const missing = { code: 'BAD_OPTION', message: expect.stringContaining('~/list') };
    await expect(start({ allowListPath: '~/list' })).rejects.toMatchObject(missing);
    expect(existsSync('~')).toBe(false);
  }));

describe('a key file of mode 0640, as secrets are mounted', () => {
  /** The key file, in a folder that nobody writes to. */
  async function mounted(folder: string): Promise<string> {
    const path = join(folder, 'secret', 'alice.json');
    await loadOrCreateKeyFile(path, { unprotected: true });
    chmodSync(path, 0o640);
    return path;
  }

  test('is refused, with advice that can be followed', () =>
    inFolder(async ({ folder }) => {
      const keypairPath = await mounted(folder);
      await expect(start({ keypairPath })).rejects.toMatchObject({
        code: 'KEY_FILE_PERMISSIONS',
        message: expect.stringMatching(/chmod 600 .*groupReadable/),
      });
    }));

  test('is accepted where the option says so and the group is ours; the store is elsewhere', () =>
    inFolder(async ({ folder }) => {
      const keypairPath = await mounted(folder);
      const storePath = join(folder, 'data', 'alice.db');
      const before = statSync(join(folder, 'secret')).mtimeMs;
      const agent = await start({ keypairPath, storePath, groupReadable: true });
      await agent.close();
      expect(existsSync(storePath)).toBe(true);
      expect(statSync(join(folder, 'secret')).mtimeMs).toBe(before);
      expect(statSync(keypairPath).mode & 0o777).toBe(0o640);
    }));

  const others = [
    ['readable by everybody', (path: string) => chmodSync(path, 0o644)],
    ['writable by the group', (path: string) => chmodSync(path, 0o660)],
    ...(process.getuid?.() === 0
      ? [['of a group that is not ours', (path: string) => chownSync(path, 0, 54_321)] as const]
      : []),
  ] as const;

  test.each(others)('stays refused when it is %s', (_what, change) =>
    inFolder(async ({ folder }) => {
      const keypairPath = await mounted(folder);
      change(keypairPath);
      await expect(start({ keypairPath, groupReadable: true })).rejects.toMatchObject({
        code: 'KEY_FILE_PERMISSIONS',
        message: expect.not.stringContaining('groupReadable'),
      });
    }),
  );
});

test('storePath belongs to a key file, and excludes a store', async () => {
  const misfit = { code: 'BAD_OPTION', message: expect.stringContaining('storePath') };
  await expect(start({ storePath: '/tmp/x.db' })).rejects.toMatchObject(misfit);
});

test.each([5, -0, true, null])('%p as a payload is refused with what would do', async (payload) => {
  const hub = new LocalHub();
  const alice = await start({ hub });
  const bob = await Agent.create('bob', { hub, logLevel: 'silent' });
  await expect(alice.send('bob', payload as never)).rejects.toMatchObject({
    code: 'BAD_PAYLOAD',
    message: expect.stringMatching(/send a text or an object.*\$: not an object/),
  });
  await alice.close();
  await bob.close();
});

test('a key file that nobody may reach is no case for a retry', () =>
  inFolder(async ({ folder }) => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const keypairPath = join(file, 'alice.json');
    const final = { code: 'KEY_FILE_IO', retryable: false };
    await expect(start({ keypairPath })).rejects.toMatchObject(final);
  }));
