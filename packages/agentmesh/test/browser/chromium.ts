/**
 * Finds Debian's Chromium, or installs it where that can be done without asking (root on Debian).
 * Without it the tests that need a browser are skipped by name.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const found = (): string | undefined => PATHS.find((path) => existsSync(path));

/** Path of a Chromium that can be started; null where there is none and none can be installed. */
export function chromiumPath(): string | null {
  const given = process.env['AGENTMESH_CHROMIUM'];
  if (given !== undefined) return given;
  if (found() === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get'))
    install();
  return found() ?? null;
}

function install(): void {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env: environment, timeout: 300_000 } as const;
  process.stderr.write('installing chromium for the browser tests (apt-get)\n');
  spawnSync('apt-get', ['update', '-q'], options);
  spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', 'chromium'], options);
}

/** Flags of a quiet, headless start. */
export const CHROMIUM_FLAGS: readonly string[] = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
