/**
 * A disk of eight megabytes in memory, for tests of what happens when it is full or cannot be
 * written. It needs the right to mount: without it, tests that use {@link asMounter} are skipped by
 * name.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from '@jest/globals';
import { inFolder } from './store-folder.js';

/** How this user mounts a file system of memory, or null if he may not. */
function mounting(): readonly string[] | null {
  if (process.platform !== 'linux') return null;
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true']).status === 0 ? ['sudo', '-n'] : null;
}

export const asMounter = mounting() === null ? test.skip : test;

/** Runs with the folder of such a disk and what mounts it anew in another way. */
export async function onSmallDisk(
  run: (folder: string, remount: (how: string) => void) => Promise<void>,
): Promise<void> {
  await inFolder(async ({ folder: parent }) => {
    const folder = join(parent, 'disk');
    mkdirSync(folder);
    const mount = (...words: string[]): void => {
      const [program = 'mount', ...rest] = [...(mounting() ?? []), ...words];
      execFileSync(program, rest);
    };
    mount('mount', '-t', 'tmpfs', '-o', 'size=8m,mode=0777', 'tmpfs', folder);
    try {
      await run(folder, (how) => mount('mount', '-o', `remount,${how}`, folder));
    } finally {
      mount('umount', '-l', folder);
    }
  });
}
