/**
 * The version of this package, read from its package.json once.
 * Owns nothing else; the protocol's version is protocol's.
 */
import { createRequire } from 'node:module';

const manifest = createRequire(import.meta.url)('../package.json') as { readonly version: string };

/** As `agentmesh-hub --version` prints it. */
export const VERSION = manifest.version;
