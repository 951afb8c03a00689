/**
 * Faults under a whole agent with files: a full disk, files that go away or are damaged. It stops
 * with a typed error and goes on nowhere else; what it had promised is there afterwards.
 */
import {
  copyFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, jest, test } from '@jest/globals';
import { LocalHub } from '@agentmesh/hub-local';
import { Agent } from '../src/index.js';
import type { AgentEvents } from '../src/index.js';
import { asMounter, onSmallDisk } from './small-disk.js';
import { inFolder, snapshot } from './store-folder.js';
import { addPages, PAGE_KINDS, pagesByKind } from './store-pages.js';
import { chance } from './store-seed.js';

jest.setTimeout(60_000);

const QUIET = { logLevel: 'silent' } as const;

/** Bob in memory, who keeps all texts that he gets. */
async function listener(hub: LocalHub): Promise<{ bob: Agent; texts: string[] }> {
  const bob = await Agent.create('bob', { hub, ...QUIET });
  const texts: string[] = [];
  bob.onMessage(({ payload }) => void texts.push(String(payload['n'])));
  return { bob, texts };
}

function stoppedOf(agent: Agent): AgentEvents['stopped'][] {
  const events: AgentEvents['stopped'][] = [];
  agent.on('stopped', (event) => void events.push(event));
  return events;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}

/** Takes all the room that is left. */
function fill(folder: string): void {
  const { bsize, bavail } = statfsSync(folder);
  writeFileSync(join(folder, 'ballast'), new Uint8Array(bsize * bavail));
}

describe('an agent on a full disk', () => {
  asMounter('stops; with room it goes on, and nothing is lost or doubled', () =>
    onSmallDisk(async (folder) => {
      const hub = new LocalHub();
      const { bob, texts } = await listener(hub);
      const keypairPath = join(folder, 'alice.json');
      const alice = await Agent.create('alice', { hub, keypairPath, ...QUIET });
      const stopped = stoppedOf(alice);
      await alice.send('bob', { n: 0 });
      fill(folder);
      const accepted = new Set(['0']);
      const send = async (agent: Agent, n: number): Promise<void> => {
        await agent.send('bob', { n, filler: 'x'.repeat(100_000) });
        accepted.add(String(n));
      };
      const flood = async (): Promise<void> => {
        for (let n = 1; n < 200; n++) await send(alice, n);
      };
      // With this store, which has stopped its agent, no retry can help.
      const full = { name: 'StorageError', code: 'STORE_FULL', retryable: false };
      await expect(flood()).rejects.toMatchObject(full);
      await expect(send(alice, 998)).rejects.toMatchObject(full);
      expect(stopped).toMatchObject([{ error: full }]);
      await alice.close();
      rmSync(join(folder, 'ballast'));
      const again = await Agent.create('alice', { hub, keypairPath, ...QUIET });
      await send(again, 999);
      await until(() => texts.includes('999'));
      for (const n of accepted) expect(texts).toContain(n);
      expect(new Set(texts).size).toBe(texts.length);
      await again.close();
      await bob.close();
      await hub.close();
    }),
  );

  asMounter('on which an agent is to be made leaves no file that is none', () =>
    onSmallDisk(async (folder) => {
      fill(folder);
      const keypairPath = join(folder, 'alice.json');
      const made = Agent.create('alice', { keypairPath, ...QUIET });
      await expect(made).rejects.toMatchObject({ code: 'KEY_FILE_IO' });
      expect(readdirSync(folder)).toEqual(['ballast']);
      rmSync(join(folder, 'ballast'));
      await (await Agent.create('alice', { keypairPath, ...QUIET })).close();
    }),
  );
});

test.each(['alice.db', 'alice.db-wal'])('an agent whose %s is removed stops', (name) =>
  inFolder(async ({ folder }) => {
    const hub = new LocalHub();
    const { bob, texts } = await listener(hub);
    const keypairPath = join(folder, 'alice.json');
    const alice = await Agent.create('alice', { hub, keypairPath, ...QUIET });
    const stopped = stoppedOf(alice);
    await alice.send('bob', { n: 1 });
    await until(() => texts.length === 1);
    rmSync(join(folder, name));
    const failed = { name: 'StorageError', code: 'STORE_FAILED' };
    await expect(alice.send('bob', { n: 2 })).rejects.toMatchObject(failed);
    await expect(alice.send('bob', { n: 3 })).rejects.toMatchObject(failed);
    await expect(alice.peers()).rejects.toMatchObject(failed);
    expect(stopped).toMatchObject([{ error: failed }]);
    // What is written to it waits at the hub for a better day.
    await bob.send('alice', 'are you there?');
    await alice.close();
    expect(texts).toEqual(['1']);
    await bob.close();
    await hub.close();
  }),
);

test('an agent whose database was copied in use without its log is seen as gone back, and talks on', () =>
  inFolder(async ({ folder }) => {
    const hub = new LocalHub();
    const { bob, texts } = await listener(hub);
    const changed: unknown[] = [];
    bob.on('peerInstanceChanged', (event) => void changed.push(event));
    const keypairPath = join(folder, 'alice.json');
    const [database, copy] = [join(folder, 'alice.db'), join(folder, 'copy.db')];
    const start = async (): Promise<Agent> => Agent.create('alice', { hub, keypairPath, ...QUIET });
    const first = await start();
    await (
      await first.send('bob', { n: 1 })
    ).delivered;
    await first.close();
    const second = await start();
    await (
      await second.send('bob', { n: 2 })
    ).delivered;
    // What it said last is in the log only.
    expect(statSync(`${database}-wal`).size).toBeGreaterThan(0);
    copyFileSync(database, copy);
    await (
      await second.send('bob', { n: 3 })
    ).delivered;
    await second.close();
    rmSync(`${database}-wal`, { force: true });
    copyFileSync(copy, database);
    const restored = await start();
    const [back, heard]: unknown[][] = [[], []];
    restored.on('storeRollback', (event) => void back?.push(event));
    restored.onMessage(({ text }) => void heard?.push(text));
    await (
      await restored.send('bob', { n: 4 })
    ).delivered;
    await (
      await bob.send('alice', 'and back')
    ).handled;
    await until(() => back?.length === 1 && changed.length === 1);
    expect([texts, heard]).toEqual([['1', '2', '3', '4'], ['and back']]);
    for (const agent of [restored, bob]) await agent.close();
    await hub.close();
  }));

describe('a disk that fails under a running agent', () => {
  const failures: [what: string, errcode: number, code: string][] = [
    ['EIO while writing', 778, 'STORE_FAILED'],
    ['EIO while syncing', 1_034, 'STORE_FAILED'],
    ['read-only', 8, 'STORE_FAILED'],
    ['a page that is malformed', 11, 'STORE_CORRUPT'],
  ];

  test.each(failures)('%s: it stops, sends nothing more, and takes nothing', async (...row) => {
    const [, errcode, code] = row;
    await inFolder(async ({ folder }) => {
      const hub = new LocalHub();
      const { bob, texts } = await listener(hub);
      const keypairPath = join(folder, 'alice.json');
      const alice = await Agent.create('alice', { hub, keypairPath, ...QUIET });
      const heard: string[] = [];
      alice.onMessage(({ text }) => void heard.push(text));
      const stopped = stoppedOf(alice);
      await alice.send('bob', { n: 1 });
      await until(() => texts.length === 1);
      const exec = Reflect.get(DatabaseSync.prototype, 'exec');
      const broken = jest.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (
        this: DatabaseSync,
        sql,
      ) {
        if (sql === 'COMMIT') throw Object.assign(new TypeError('injected'), { errcode });
        exec.call(this, sql);
      });
      await bob.send('alice', 'into the void');
      await until(() => stopped.length === 1);
      await expect(alice.send('bob', { n: 2 })).rejects.toMatchObject({ code });
      expect(stopped).toMatchObject([{ error: { code } }]);
      broken.mockRestore();
      // A disk that works again does not bring it back: only a new opening knows what is there.
      await expect(alice.send('bob', { n: 3 })).rejects.toMatchObject({ code });
      await alice.close();
      const again = await Agent.create('alice', { hub, keypairPath, ...QUIET });
      again.onMessage(({ text }) => void heard.push(text));
      await again.send('bob', { n: 4 });
      await until(() => texts.length === 2 && heard.length === 1);
      expect([texts, heard]).toEqual([['1', '4'], ['into the void']]);
      await again.close();
      await bob.close();
      await hub.close();
    });
  });
});

describe('damaged files of an agent', () => {
  const flips = chance(40, 'AGENTMESH_FLIPS');

  /** What bringing the agent up comes to. */
  async function start(keypairPath: string): Promise<string> {
    try {
      const agent = await Agent.create('alice', { keypairPath, ...QUIET });
      await agent.peers();
      await agent.close();
      return 'up';
    } catch (error) {
      const { code } = error as { code?: unknown };
      return String(code);
    }
  }

  test(`any bit of the key file: refused, and nothing is written; ${flips.title}`, () =>
    inFolder(async ({ folder }) => {
      const keypairPath = join(folder, 'alice.json');
      expect(await start(keypairPath)).toBe('up');
      const intact = readFileSync(keypairPath);
      for (let i = 0; i < flips.times; i++) {
        const damaged = Buffer.from(intact);
        const at = flips.below(damaged.length);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << flips.below(8));
        writeFileSync(keypairPath, damaged);
        const before = snapshot(folder);
        expect(await start(keypairPath)).toBe('KEY_FILE_MALFORMED');
        expect(snapshot(folder)).toEqual(before);
      }
      writeFileSync(keypairPath, intact);
      expect(await start(keypairPath)).toBe('up');
    }));

  test('pages of every kind in the store: refused and left as they are, or without harm', () =>
    inFolder(async ({ folder }) => {
      const keypairPath = join(folder, 'alice.json');
      const path = join(folder, 'alice.db');
      expect(await start(keypairPath)).toBe('up');
      await addPages(keypairPath);
      const intact = readFileSync(path);
      const pageBytes = intact.readUInt16BE(16);
      const kinds = pagesByKind(intact, pageBytes);
      expect([...kinds.keys()].toSorted()).toEqual(PAGE_KINDS);
      let refused = 0;
      for (const [kind, pages] of kinds) {
        for (const page of pages.filter((_, n) => n % Math.ceil(pages.length / 5) === 0)) {
          const damaged = Buffer.from(intact);
          // Of the first page, what lies behind the header of the file.
          const begin = page * pageBytes + (page === 0 ? 100 : 0);
          damaged.fill(0xa5, begin, begin + 160);
          writeFileSync(path, damaged);
          const before = snapshot(folder);
          const result = await start(keypairPath);
          if (result === 'up') {
            // Only what no row needs may be damaged.
            expect(kind).toBe('free');
            continue;
          }
          refused += 1;
          expect(['STORE_CORRUPT', 'STORE_FAILED']).toContain(result);
          expect(snapshot(folder)).toEqual(before);
        }
      }
      expect(refused).toBeGreaterThan(PAGE_KINDS.length);
      writeFileSync(path, intact);
      expect(await start(keypairPath)).toBe('up');
    }));
});
