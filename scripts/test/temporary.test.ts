/** Where tests write their temporary files, and that nothing of them stays in memory. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { folderInMemory } from '../temporary.mjs';

test('is a folder that anybody may use and from which programs run, or none at all', () => {
  const folder = folderInMemory();
  if (folder === null) return;
  expect(statSync(folder).mode & 0o7777).toBe(0o1777);
  const program = join(folder, 'program');
  writeFileSync(program, '#!/bin/sh\necho ran\n', { mode: 0o755 });
  expect(spawnSync(program, { encoding: 'utf8' }).stdout).toBe('ran\n');
  rmSync(folder, { recursive: true });
});

test('what a killed run has left is removed by the next, and what a living one uses is not', () => {
  const folder = folderInMemory();
  if (folder === null) return;
  const dead = spawnSync(process.execPath, ['--version']).pid;
  const left = join(dirname(folder), `agentmesh-tests-${dead}-left00`);
  mkdirSync(left);
  const next = folderInMemory();
  expect([existsSync(left), existsSync(folder)]).toEqual([false, true]);
  for (const own of [folder, next]) if (own !== null) rmSync(own, { recursive: true });
});
