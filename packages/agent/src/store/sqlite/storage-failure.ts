/**
 * What SQLite's and the file system's failures mean in the agent's words.
 * Owns the mapping only; the codes and what follows from them are in `errors.ts` and the store.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import { StorageError } from '../../ground/errors.js';
import type { StorageErrorCode } from '../../ground/errors.js';

interface Failure {
  readonly code: StorageErrorCode;
  /** What the code does not say. */
  readonly reason?: string;
}

const UNWRITABLE: Failure = {
  code: 'STORE_FAILED',
  reason: 'cannot be read and written: check owner, mode and file system',
};

/** No room for the index of the log, 32 KiB, which SQLite calls an input/output error. */
const IOERR_SHMSIZE = 4_874;
const SQLITE_FULL = 13;

/** Primary result codes of SQLite; extended ones repeat them in their low byte. */
const RESULT_CODES: Readonly<Record<number, Failure>> = {
  // Our statements are fixed: what refuses them is not the table that we made.
  1: { code: 'STORE_CORRUPT', reason: 'not the tables of a store' },
  5: { code: 'STORE_LOCKED' },
  6: { code: 'STORE_LOCKED' },
  8: UNWRITABLE,
  10: { code: 'STORE_FAILED', reason: 'input/output error' },
  11: { code: 'STORE_CORRUPT' },
  [SQLITE_FULL]: { code: 'STORE_FULL' },
  14: UNWRITABLE,
  26: { code: 'STORE_CORRUPT', reason: 'not a database' },
};

/** Errors of the file system; others keep their own text as the cause. */
const SYSTEM_CODES: Readonly<Record<string, Failure>> = {
  EACCES: UNWRITABLE,
  EISDIR: UNWRITABLE,
  ENOENT: UNWRITABLE,
  ENOTDIR: UNWRITABLE,
  EPERM: UNWRITABLE,
  EROFS: UNWRITABLE,
  EDQUOT: { code: 'STORE_FULL' },
  ENOSPC: { code: 'STORE_FULL' },
};

/** Whatever was thrown below the store at `path`, as a typed error. */
export function storageErrorOf(thrown: unknown, path: string): AgentMeshError {
  if (thrown instanceof AgentMeshError) return thrown;
  const { code, reason } = failureOf(thrown);
  return new StorageError(code, reason === undefined ? path : `${path}: ${reason}`, thrown);
}

function failureOf(thrown: unknown): Failure {
  const unknown: Failure = { code: 'STORE_FAILED' };
  if (typeof thrown !== 'object' || thrown === null) return unknown;
  if ('errcode' in thrown && typeof thrown.errcode === 'number') {
    const code = thrown.errcode === IOERR_SHMSIZE ? SQLITE_FULL : thrown.errcode & 0xff;
    return RESULT_CODES[code] ?? unknown;
  }
  if ('syscall' in thrown && 'code' in thrown && typeof thrown.code === 'string') {
    return SYSTEM_CODES[thrown.code] ?? unknown;
  }
  return unknown;
}
