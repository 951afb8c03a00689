/**
 * Failures of the database under a hub, and what SQLite's numbers mean in our words.
 * Owns codes and texts; what the hub answers to its clients (`STORAGE`) is hub-local's matter.
 */
import { AgentMeshError } from '@agentmesh/protocol';

interface StoreErrorRule {
  readonly retryable: boolean;
  readonly message: string;
  /** Nothing can be trusted any more until the file is opened again. */
  readonly fatal: boolean;
}

const TABLE = {
  /** Stop the other hub, or give each hub a data folder of its own. */
  STORE_LOCKED: {
    retryable: false,
    fatal: true,
    message: 'Database is in use by another process: one hub per data folder',
  },
  STORE_CORRUPT: {
    retryable: false,
    fatal: true,
    message: 'Database is damaged and was left as it is: restore a backup or move it away',
  },
  /** Pass the data folder of a hub (`--data`), or an empty one. */
  STORE_FOREIGN: {
    retryable: false,
    fatal: true,
    message: 'File is not the database of an AgentMesh hub and was left as it is',
  },
  STORE_VERSION: {
    retryable: false,
    fatal: true,
    message: 'Database was written by a newer version: upgrade the hub',
  },
  STORE_UNWRITABLE: {
    retryable: false,
    fatal: true,
    message: 'Data folder cannot be written: check its owner, its mode and the file system',
  },
  /** Correct the owner and the mode that the text names. */
  STORE_UNSAFE: {
    retryable: false,
    fatal: true,
    message: 'Data folder is not safe from other users and was left as it is',
  },
  STORE_INCOMPLETE: {
    retryable: false,
    fatal: true,
    message: 'Database and its log belong together, and one is missing: restore both',
  },
  STORE_FULL: {
    retryable: true,
    fatal: false,
    message: 'No space left for the database: free some, or raise the quota',
  },
  STORE_LOST: {
    retryable: false,
    fatal: true,
    message: 'Database file was removed or replaced while in use: restart the hub',
  },
  STORE_FAILED: {
    retryable: false,
    fatal: true,
    message: 'Database failed: see the cause, then restart the hub',
  },
  /** Report it with the cause; the hub goes on. */
  STORE_DEFECT: {
    retryable: false,
    fatal: false,
    message: 'Change refused by the database: a defect of the hub, see the cause',
  },
  /** Do what the text says; the hub goes on. */
  BACKUP_REFUSED: { retryable: false, fatal: false, message: 'No backup was made' },
  /** Open a new store. */
  STORE_CLOSED: { retryable: false, fatal: false, message: 'Database is closed' },
} as const satisfies Readonly<Record<string, StoreErrorRule>>;

/** Stable codes of {@link HubStoreError}. */
export type HubStoreErrorCode = keyof typeof TABLE;

/** The store cannot do what it was asked. Nothing of the failed call was kept. */
export class HubStoreError extends AgentMeshError {
  readonly code: HubStoreErrorCode;
  /** Whether every later call of the same store will fail too. */
  readonly fatal: boolean;

  constructor(code: HubStoreErrorCode, options: { detail?: string; cause?: unknown } = {}) {
    const { message, retryable, fatal } = TABLE[code];
    const { detail, cause } = options;
    super(detail === undefined ? message : `${message} (${detail})`, { retryable, cause });
    this.code = code;
    this.fatal = fatal;
  }
}

/** Primary result codes of SQLite; extended ones have them in their low byte. Others: a defect. */
const CODES: Readonly<Record<number, HubStoreErrorCode>> = {
  5: 'STORE_LOCKED',
  6: 'STORE_LOCKED',
  7: 'STORE_FAILED',
  8: 'STORE_UNWRITABLE',
  10: 'STORE_FAILED',
  11: 'STORE_CORRUPT',
  13: 'STORE_FULL',
  14: 'STORE_UNWRITABLE',
  26: 'STORE_FOREIGN',
};

/** No room for the index of the log, 32 KiB, which SQLite calls an input/output error. */
const IOERR_SHMSIZE = 4_874;

/** File system errors that have a code of their own. */
const ERRNO: Readonly<Record<string, HubStoreErrorCode>> = {
  EACCES: 'STORE_UNWRITABLE',
  EPERM: 'STORE_UNWRITABLE',
  EROFS: 'STORE_UNWRITABLE',
  ENOTDIR: 'STORE_UNWRITABLE',
  EEXIST: 'STORE_UNWRITABLE',
  EISDIR: 'STORE_UNWRITABLE',
  ENOENT: 'STORE_UNWRITABLE',
  ENOSPC: 'STORE_FULL',
  EDQUOT: 'STORE_FULL',
};

/** Whatever was thrown below the store, as a typed error. */
export function storeErrorOf(thrown: unknown, detail?: string): HubStoreError {
  if (thrown instanceof HubStoreError) return thrown;
  const code = codeOf(thrown);
  return new HubStoreError(code, { cause: thrown, ...(detail === undefined ? {} : { detail }) });
}

function codeOf(thrown: unknown): HubStoreErrorCode {
  if (typeof thrown !== 'object' || thrown === null) return 'STORE_DEFECT';
  if ('errcode' in thrown && typeof thrown.errcode === 'number') {
    if (thrown.errcode === IOERR_SHMSIZE) return 'STORE_FULL';
    return CODES[thrown.errcode & 0xff] ?? 'STORE_DEFECT';
  }
  if ('syscall' in thrown && 'code' in thrown && typeof thrown.code === 'string') {
    return ERRNO[thrown.code] ?? 'STORE_FAILED';
  }
  return 'STORE_DEFECT';
}
