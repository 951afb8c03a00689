/**
 * Failures of NATS under a hub, and what its numbers mean in our words.
 * Owns codes and texts; what the hub answers to its clients (`STORAGE`) is hub-local's matter.
 */
import { AgentMeshError } from '@agentmesh/protocol';

interface JetStreamErrorRule {
  readonly retryable: boolean;
  readonly message: string;
}

const TABLE = {
  STORE_UNREACHABLE: {
    retryable: true,
    message: 'NATS is out of reach: start it, or check its addresses and the network',
  },
  /** Start nodes until a majority of them runs; the hub goes on by itself. */
  STORE_UNAVAILABLE: {
    retryable: true,
    message: 'JetStream has no leader or did not answer in time: a majority of its nodes must run',
  },
  /** Write nats://HOST:PORT or tls://HOST:PORT; separate several by commas. */
  STORE_ADDRESS: {
    retryable: false,
    message: 'Not an address of NATS: nats://HOST:PORT or tls://HOST:PORT, several by commas',
  },
  STORE_CREDENTIALS: {
    retryable: false,
    message: 'NATS refuses these credentials: check user, password, token, nkey or creds file',
  },
  STORE_TLS: {
    retryable: false,
    message: 'The certificate of NATS is not trusted: check its CA and the host names in it',
  },
  STORE_FULL: {
    retryable: true,
    message: 'NATS has no space left for the store: free some, or raise its limits',
  },
  /** Change the setting of NATS that the text names. */
  STORE_UNSUITABLE: {
    retryable: false,
    message: 'This NATS cannot hold the store',
  },
  STORE_VERSION: {
    retryable: false,
    message: 'The store in NATS was written by a newer version: upgrade this hub',
  },
  STORE_HUB_KEY: {
    retryable: false,
    message: 'All hubs over one store have one hub key: copy its file from another hub',
  },
  /** Try again. */
  STORE_CONTENDED: {
    retryable: true,
    message: 'Other hubs changed the same entry again and again: nothing was changed here',
  },
  /** Look for another program that writes to this account, and restore the entry from a backup. */
  STORE_CORRUPT: {
    retryable: false,
    message: 'An entry of the store in NATS cannot be read and was left as it is',
  },
  /** Look at the cause; the hub tries again by itself. */
  STORE_FAILED: {
    retryable: true,
    message: 'NATS refused an operation of the store: see the cause',
  },
  /** Open a new store. */
  STORE_CLOSED: { retryable: false, message: 'The store is closed' },
} as const satisfies Readonly<Record<string, JetStreamErrorRule>>;

/** Stable codes of {@link JetStreamStoreError}. */
export type JetStreamStoreErrorCode = keyof typeof TABLE;

/**
 * The store cannot do what it was asked. When NATS did not answer, the change may have happened all
 * the same: every call of the store may be repeated, and then has the effect of one.
 */
export class JetStreamStoreError extends AgentMeshError {
  readonly code: JetStreamStoreErrorCode;

  constructor(
    code: JetStreamStoreErrorCode,
    options: { detail?: string | undefined; cause?: unknown } = {},
  ) {
    const { message, retryable } = TABLE[code];
    const { detail, cause } = options;
    super(detail === undefined ? message : `${message} (${detail})`, { retryable, cause });
    this.code = code;
  }
}

/** JetStream's `err_code` of a compare-and-set that found another revision. */
export const WRONG_LAST_SEQUENCE = 10_071;
/** `err_code` of a message whose id is noted already while the message is not stored. */
export const ID_IN_PROCESS = 10_158;
/** `err_code`s of deleting or getting what is not there. */
export const NO_MESSAGE: readonly number[] = [10_037, 10_043];

/** `err_code`s of JetStream that have a code of their own here. */
const CODES: Readonly<Record<number, JetStreamStoreErrorCode>> = {
  503: 'STORE_UNAVAILABLE',
  10_002: 'STORE_FULL',
  10_005: 'STORE_UNAVAILABLE',
  10_008: 'STORE_UNAVAILABLE',
  10_009: 'STORE_UNAVAILABLE',
  10_023: 'STORE_FULL',
  10_028: 'STORE_FULL',
  10_039: 'STORE_UNSUITABLE',
  10_047: 'STORE_FULL',
  // A node that has not heard of it yet.
  10_059: 'STORE_UNAVAILABLE',
  10_074: 'STORE_UNSUITABLE',
  10_076: 'STORE_UNSUITABLE',
  10_077: 'STORE_FULL',
};

/** Names of the client's errors: it has no numbers for these. */
const NAMES: Readonly<Record<string, JetStreamStoreErrorCode>> = {
  TimeoutError: 'STORE_UNAVAILABLE',
  NoRespondersError: 'STORE_UNAVAILABLE',
  JetStreamNotEnabled: 'STORE_UNAVAILABLE',
  RequestError: 'STORE_UNAVAILABLE',
  ConnectionError: 'STORE_UNREACHABLE',
  ClosedConnectionError: 'STORE_UNREACHABLE',
  DrainingConnectionError: 'STORE_UNREACHABLE',
  AuthorizationError: 'STORE_CREDENTIALS',
  UserAuthenticationExpiredError: 'STORE_CREDENTIALS',
  PermissionViolationError: 'STORE_CREDENTIALS',
};

/** Whatever was thrown by the client, as a typed error. */
export function jetStreamErrorOf(thrown: unknown): JetStreamStoreError {
  if (thrown instanceof JetStreamStoreError) return thrown;
  return new JetStreamStoreError(codeOf(thrown), { cause: thrown, detail: detailOf(thrown) });
}

/** What kept a connection from being made: no answer means nobody there, not a missing leader. */
export function connectErrorOf(thrown: unknown): JetStreamStoreError {
  const error = jetStreamErrorOf(thrown);
  if (error.code !== 'STORE_UNAVAILABLE') return error;
  return new JetStreamStoreError('STORE_UNREACHABLE', { cause: thrown, detail: detailOf(thrown) });
}

/** `err_code` of an answer of JetStream, or null if it is no such answer. */
export function apiCodeOf(thrown: unknown): number | null {
  const isNumbered = typeof thrown === 'object' && thrown !== null && 'code' in thrown;
  return isNumbered && typeof thrown.code === 'number' ? thrown.code : null;
}

/** Whether JetStream answered with one of these `err_code`s. */
export function hasApiCode(thrown: unknown, codes: readonly number[]): boolean {
  const cause = thrown instanceof JetStreamStoreError ? thrown.cause : thrown;
  const code = apiCodeOf(cause);
  return code !== null && codes.includes(code);
}

function codeOf(thrown: unknown): JetStreamStoreErrorCode {
  if (isOfTls(thrown)) return 'STORE_TLS';
  const number = apiCodeOf(thrown);
  const known = number === null ? undefined : CODES[number];
  if (known !== undefined) return known;
  return (thrown instanceof Error ? NAMES[thrown.name] : undefined) ?? 'STORE_FAILED';
}

/** Node's names for what is wrong with a certificate. */
function isOfTls(thrown: unknown): boolean {
  const isNamed = typeof thrown === 'object' && thrown !== null && 'code' in thrown;
  const name = isNamed ? String(thrown.code) : '';
  return /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/.test(name);
}

function detailOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? thrown.message : undefined;
}
