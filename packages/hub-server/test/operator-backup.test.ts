/**
 * Copies of a hub's database that are made while it runs: a hub starts with one, and has all of it.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import { Command } from './hub-command.js';
import { operated, register, send } from './operated-hub.js';
import { OperatorClient } from './operator-client.js';
import { join as joinHub, newAgent, until } from './test-clients.js';

jest.setTimeout(60_000);
beforeAll(() => ready());

const WAIT_MS = 20_000;

describe('a backup of a running hub', () => {
  test('is one private file that a hub starts with: same key, names and queues', () =>
    operated(async ({ folder, hub, operator }) => {
      const [alice, bob] = [newAgent('alice'), newAgent('bob')];
      await register(hub.port, bob);
      await send(hub.port, alice, bob, 5);
      const file = join(folder, 'copy.db');
      const { hubKey } = await operator.call('status');
      const { bytes } = await operator.call('backup', { file });
      expect(statSync(file)).toMatchObject({ size: bytes });
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(existsSync(`${file}-wal`) || existsSync(`${file}.partial`)).toBe(false);
      await send(hub.port, newAgent('carol'), bob, 1);
      const restored = join(folder, 'restored');
      mkdirSync(restored);
      copyFileSync(file, join(restored, 'hub.db'));
      const second = await Command.start(['--data', restored]);
      const other = await OperatorClient.connect(restored);
      expect(await other.call('status')).toMatchObject({ hubKey, agents: 2, queued: 5 });
      const delivered: number[] = [];
      await joinHub(second.port, bob, { deliver: ({ seq }) => void delivered.push(seq) });
      await until(() => delivered.length === 5, WAIT_MS);
      other.end();
      second.signal('SIGKILL');
      await second.exit();
    }));

  test('is consistent while messages come in: what is in it, is in it whole', () =>
    operated(async ({ folder, hub, operator }) => {
      const [alice, bob] = [newAgent('alice'), newAgent('bob')];
      await register(hub.port, bob);
      let isDone = false;
      const sending = (async () => {
        for (let round = 0; !isDone; round++) {
          const from = round === 0 ? alice : newAgent(`sender-${round}`);
          await send(hub.port, from, bob, 20, 40_000);
        }
      })();
      const files = [1, 2, 3].map((n) => join(folder, `copy-${n}.db`));
      for (const file of files) await operator.call('backup', { file });
      isDone = true;
      await sending;
      for (const [n, file] of files.entries()) {
        const restored = join(folder, `restored-${n}`);
        mkdirSync(restored);
        copyFileSync(file, join(restored, 'hub.db'));
        const second = await Command.start(['--data', restored]);
        const other = await OperatorClient.connect(restored);
        const { queued } = await other.call('status');
        const shown = await other.call('show', { agent: 'bob' });
        expect(shown['queued']).toBe(queued);
        const senders = shown['senders'] as { messages: number }[];
        if (senders.length < 20) {
          expect(senders.reduce((sum, { messages }) => sum + messages, 0)).toBe(queued);
        }
        other.end();
        second.signal('SIGKILL');
        await second.exit();
      }
    }));

  test('is refused where a file is, where there is no folder, and where others may write', () =>
    operated(async ({ folder, operator }) => {
      const there = join(folder, 'there');
      writeFileSync(there, 'mine');
      expect(await operator.refusal('backup', { file: there })).toBe('BACKUP_REFUSED');
      expect(readFileSync(there, 'utf8')).toBe('mine');
      const nowhere = join(folder, 'no', 'where');
      expect(await operator.refusal('backup', { file: nowhere })).toBe('BACKUP_REFUSED');
      const open = join(folder, 'open');
      mkdirSync(open);
      chmodSync(open, 0o777);
      expect(await operator.refusal('backup', { file: join(open, 'x') })).toBe('BACKUP_REFUSED');
      expect(await operator.refusal('backup', { file: 'relative.db' })).toBe('BAD_PARAMS');
      const file = join(folder, 'good');
      expect(await operator.call('backup', { file })).toMatchObject({ file });
    }));
});
