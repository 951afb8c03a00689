/**
 * Where tests write their temporary files: into memory, where the machine has a file system for it
 * with enough room and programs may run from it. Most tests wait for the disk longer than they
 * compute; what survives `kill -9` is the same in memory. Nothing else decides differently there.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const MEMORY = '/dev/shm';
const PREFIX = 'agentmesh-tests-';
const OWNED = new RegExp(`^${PREFIX}(\\d+)-`);
/** More than all packages write at once, several times over. */
const ROOM_BYTES = 6 * 1024 ** 3;

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** What runs that were killed have left. */
function removeLeftovers() {
  for (const name of readdirSync(MEMORY)) {
    const pid = OWNED.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) {
      rmSync(join(MEMORY, name), { recursive: true, force: true });
    }
  }
}

/** Programs and native modules do not load from a file system that is mounted `noexec`. */
function runsPrograms(folder) {
  const program = join(folder, 'probe');
  writeFileSync(program, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const { status } = spawnSync(program);
  rmSync(program);
  return status === 0;
}

/** A folder of this process in memory, to be removed by it; null where there is no such place. */
export function folderInMemory() {
  let folder = null;
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    if (bavail * bsize < ROOM_BYTES || freemem() < ROOM_BYTES) return null;
    removeLeftovers();
    folder = mkdtempSync(join(MEMORY, `${PREFIX}${process.pid}-`));
    // As open as /tmp: some tests act as another user.
    chmodSync(folder, 0o1777);
    if (runsPrograms(folder)) return folder;
  } catch {
    // No such file system, or not for us: the disk will do.
  }
  if (folder !== null) rmSync(folder, { recursive: true, force: true });
  return null;
}
