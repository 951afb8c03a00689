/**
 * The machine that figures come from: processor, memory, system, Node, the disk's file system, and
 * the commit. Owns asking for them.
 */
import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { arch, cpus, loadavg, release, tmpdir, totalmem, type } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { BenchError } from './bench-error.js';
import type { Results } from './results.js';

const GIB = 1024 ** 3;
const TMPFS = 0x01_02_19_94;
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef_53: 'ext4',
  0x58_46_53_42: 'xfs',
  0x91_23_68_3e: 'btrfs',
  0x79_4c_76_30: 'overlayfs',
};

/** Where servers keep their files while they are measured. */
export const SCRATCH = tmpdir();

/** The repository, for git. */
export const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));

export function machineOf(): Results['machine'] {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / GIB),
    system: `${type()} ${release()} ${arch()}`,
    node: process.versions.node,
    disk: fileSystemOf(SCRATCH),
  };
}

/** Load of the last minute. */
export function loadNow(): number {
  return Number((loadavg()[0] ?? 0).toFixed(2));
}

/** The commit that is measured, marked if something is not committed. */
export function revisionNow(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'packages', 'apps') !== '';
  return git('rev-parse', '--short', 'HEAD') + (changed ? ' and uncommitted changes' : '');
}

/** Throws NOT_DURABLE where files live in memory: a synced write would cost nothing. */
export function confirmDisk(): void {
  if (statfsSync(SCRATCH).type === TMPFS) {
    throw new BenchError('NOT_DURABLE', `${SCRATCH} is in memory: set TMPDIR to a disk`);
  }
}

function fileSystemOf(folder: string): string {
  const { type: magic } = statfsSync(folder);
  return FILE_SYSTEMS[magic] ?? `file system 0x${magic.toString(16)}`;
}
