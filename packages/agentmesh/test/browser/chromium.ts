/**
 * Which Chromium the browser tests start, and how. Without one they are skipped by name.
 */
import { ensureProgram } from '../../../../scripts/programs.mjs';

/** Path of a Chromium that can be started; null where there is none and none can be installed. */
export function chromiumPath(): string | null {
  return process.env['AGENTMESH_CHROMIUM'] ?? ensureProgram('chromium');
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
