/**
 * Peers from npm: they live in `peers`, a workspace of its own, installed by the first bench that
 * needs one. So neither their 160 MB nor their licences and old dependencies reach whoever builds,
 * tests or ships AgentMesh. Owns installing and loading them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../peers', import.meta.url));

/** The module of a peer, or why it cannot be had. */
export async function loadPeer(
  name: string,
): Promise<{ readonly module: unknown; readonly version: string } | { readonly absent: string }> {
  const folder = join(FOLDER, 'node_modules', name);
  if (!existsSync(folder)) install();
  if (!existsSync(folder)) return { absent: `pnpm install fails in ${FOLDER}` };
  const manifest = readFileSync(join(folder, 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  try {
    const entry = createRequire(join(FOLDER, 'package.json')).resolve(name);
    return { module: await import(pathToFileURL(entry).href), version };
  } catch (error) {
    return { absent: `does not load: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function install(): void {
  process.stderr.write('installing the peers from npm\n');
  spawnSync('pnpm', ['install', '--frozen-lockfile', '--reporter=silent'], {
    cwd: FOLDER,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}
