/**
 * Which Node this package needs. Owns the one sentence that an older one answers with, whichever
 * entry of whichever package was imported: all of them load this. Browsers have no Node to judge.
 */
import { CryptoError } from './errors.js';

/** The first with `node:sqlite` and `require` of ES modules. A test compares it with `engines`. */
const OLDEST_NODE = '22.13';

interface Host {
  readonly process?: { readonly versions?: { readonly node?: string } };
}

/** Throws UNSUPPORTED_RUNTIME in a Node that is too old. */
export function assertSupportedRuntime(host: Host = globalThis): void {
  const version = host.process?.versions?.node ?? '';
  if (!/^\d+\.\d+/.test(version) || !isOlder(version, OLDEST_NODE)) return;
  const what = `it needs Node ${OLDEST_NODE} or later, and this is Node ${version}`;
  const error = new CryptoError('UNSUPPORTED_RUNTIME', what);
  // Where it was thrown helps nobody.
  error.stack = `${error.name}: ${error.message}`;
  throw error;
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = than.split('.').map(Number);
  return major === oldestMajor ? minor < oldestMinor : major < oldestMajor;
}
