/**
 * The hub's own key in a file, for hubs that share a store: each has a copy of it, and the store
 * knows only its public half (docs/decisions/0013-shared-hub-key-in-files.md). Owns the file's
 * format and how it is created; the store decides which key a cluster has.
 */
import { fromBase64Url, toBase64Url } from '@agentmesh/protocol';
import { linkSync, readFileSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileFault, prepareFolder, replacePrivateFile } from './private-files.js';
import { ServerError, textOf } from './server-error.js';

const HEAD = 'agentmesh-hub-key-1 ';
const SEED_BYTES = 32;

/**
 * The 32-byte seed; null if there is no such file. BAD_HUB_KEY if it holds anything else,
 * UNSAFE_FILE if others could read or change it.
 */
export function readHubKeyFile(path: string): Uint8Array | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    if (textOf(cause, 'code') === 'ENOENT') return null;
    throw new ServerError('BAD_HUB_KEY', { detail: path, cause });
  }
  const seed = text.startsWith(HEAD) ? decoded(text.slice(HEAD.length)) : null;
  if (seed === null) throw new ServerError('BAD_HUB_KEY', { detail: path });
  const fault = fileFault(path, 'secret');
  if (fault !== null) throw new ServerError('UNSAFE_FILE', { detail: fault });
  return seed;
}

/** What the file holds; without one, what `create` gives is put there first. */
export function readOrMakeHubKeyFile(
  path: string,
  create: () => Uint8Array,
): { readonly seed: Uint8Array; readonly isMade: boolean } {
  const seed = readHubKeyFile(path);
  if (seed !== null) return { seed, isMade: false };
  const made = create();
  if (makeFile(path, made)) return { seed: made, isMade: true };
  // Another hub on this machine was faster.
  return readOrMakeHubKeyFile(path, create);
}

/** Whole or not at all, for its owner only; false if it is there already. */
function makeFile(path: string, seed: Uint8Array): boolean {
  const temporary = `${path}.${process.pid}`;
  try {
    const fault = prepareFolder(dirname(path));
    if (fault !== null) throw new ServerError('UNSAFE_FILE', { detail: fault });
    replacePrivateFile(temporary, `${HEAD}${toBase64Url(seed)}\n`);
    linkSync(temporary, path);
    unlinkSync(temporary);
    return true;
  } catch (cause) {
    if (cause instanceof ServerError) throw cause;
    if (textOf(cause, 'code') !== 'EEXIST') {
      throw new ServerError('BAD_HUB_KEY', { detail: path, cause });
    }
    unlinkSync(temporary);
    return false;
  }
}

/** Takes back what was made a moment ago. */
export function removeHubKeyFile(path: string): void {
  unlinkSync(path);
}

function decoded(text: string): Uint8Array | null {
  try {
    const seed = fromBase64Url(text);
    return seed.length === SEED_BYTES ? seed : null;
  } catch {
    return null;
  }
}
