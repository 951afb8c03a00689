/**
 * Programs that tests need beside Node: from Debian, where this process may install them.
 */
import { spawnSync } from 'node:child_process';

/** Whether the program is there, after an attempt to install its package where it is not. */
export function installed(name: string, isThere: () => boolean): boolean {
  if (isThere()) return true;
  if (process.getuid?.() !== 0) return false;
  const quiet = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  spawnSync('apt-get', ['update', '-qq'], quiet);
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], quiet);
  return isThere();
}
