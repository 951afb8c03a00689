/**
 * Paths that begin with `~/`, which a shell would have replaced: in a program or a configuration
 * file nobody does. Owns that replacement only.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The path with the folder of this user in place of `~`. */
export function fromHome(path: string): string {
  if (path === '~') return homedir();
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path;
}
