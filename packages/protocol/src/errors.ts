/**
 * The errors that agents and hubs show each other: one table of stable codes, the close codes of a
 * connection, and the one error class of this package. Owns codes, texts and whether a call may be
 * repeated; does not own the `error` frame (`frame-codec`) nor the errors of decryption (crypto).
 */
import { AgentMeshError } from '@agentmesh/crypto/verify';

/**
 * WebSocket close codes of hub.md §2; on TCP the connection ends after the same `error` or `bye`.
 * `protocol` follows the third frame of one connection that could not be decoded.
 */
export const CLOSE_CODES = {
  protocol: 4400,
  authentication: 4401,
  idle: 4408,
  displaced: 4409,
  flood: 4429,
} as const;

/** Why a connection is closed. */
export type CloseReason = keyof typeof CLOSE_CODES;

/** What a code means to its recipient. */
export interface ErrorRule {
  /** Whether the same call can succeed later without the caller changing anything. */
  readonly retryable: boolean;
  /** Default text: what happened, and after a colon what to do. */
  readonly message: string;
  /** With which close code the hub ends a connection for this reason; unset if it never does. */
  readonly closes?: CloseReason;
}

const TABLE = {
  BAD_JSON: {
    retryable: false,
    message: 'Text is not one JSON object within the limits: correct the sender',
  },
  BAD_FRAME: {
    retryable: false,
    message: 'Frame has a missing, unknown or wrong field: correct or upgrade the sender',
  },
  BAD_ENCODING: {
    retryable: false,
    message: 'Binary field is not canonical base64url without padding: correct the encoder',
  },
  UNKNOWN_TYPE: {
    retryable: false,
    message: 'Frame type is unknown in this protocol version: upgrade the older side',
  },
  NOT_AUTHENTICATED: {
    retryable: false,
    message: 'Authenticate before any other request: this connection has no identity yet',
  },
  HUB_UNPROVEN: {
    retryable: true,
    message:
      'The other side did not prove the key of the hub, and was told nothing: check the address',
  },
  BAD_AUTH: {
    retryable: false,
    message: 'Authentication refused: check the keys, the hub key and the kind of connection',
    closes: 'authentication',
  },
  NAME_TAKEN: {
    retryable: false,
    message:
      'Another key owns this name on the hub: pass its key file as keypairPath, ' +
      'or choose another name',
    closes: 'authentication',
  },
  REGISTRATION_REFUSED: {
    retryable: false,
    message: 'The hub does not register this name: ask its operator for a token or an entry',
    closes: 'authentication',
  },
  BAD_RECORD: { retryable: false, message: 'Record refused: sign a new one' },
  REVOKED: {
    retryable: false,
    message: 'This identity was revoked for good: create a new one, or ask its owner for theirs',
    closes: 'authentication',
  },
  BAD_PREKEY: { retryable: false, message: 'Prekey refused: create and sign new prekeys' },
  BAD_BUNDLE: {
    retryable: false,
    message:
      'Bundle is not { record, signed?, oneTime?, revocation? } of base64url texts: ' +
      'request it again',
  },
  BAD_PAYLOAD: {
    retryable: false,
    message:
      'Payload is not plain JSON: send a text or an object, with arrays, objects, texts, numbers, ' +
      'booleans or null in it',
  },
  NOT_OWNER: {
    retryable: false,
    message: 'The record or name belongs to another identity: publish your own',
  },
  LIMIT: {
    retryable: false,
    message: 'Limit of stored keys reached: replace all keys instead of adding some',
  },
  UNKNOWN_RECIPIENT: {
    retryable: false,
    message: 'The hub does not know the recipient: check the address',
  },
  /**
   * No agent has registered this name or address on the hub. Check the spelling, and that the peer
   * has connected to this hub at least once.
   */
  PEER_NOT_FOUND: { retryable: false, message: 'Peer not found on hub' },
  QUEUE_FULL: {
    retryable: true,
    message: 'The queue of the recipient is full: try again when it has read some messages',
  },
  TOO_LARGE: { retryable: false, message: 'Message is too large: send less or split it' },
  RATE_LIMITED: { retryable: true, message: 'Too many requests: wait before the next one' },
  STORAGE: {
    retryable: true,
    message: "The hub's storage failed or is full, and nothing was kept: try again later",
  },
  BLOCKED: {
    retryable: false,
    message: 'The recipient or the hub blocks this sender: ask their operator',
  },
  CONFLICT: {
    retryable: false,
    message: 'This envelope id was used for other content: use a fresh random id',
  },
  VERSION: {
    retryable: false,
    message: 'Agent and hub have no protocol version in common: upgrade the older side',
  },
  DISPLACED: {
    retryable: false,
    message: 'Another process connected with this identity: give each process its own key file',
    closes: 'displaced',
  },
  IN_USE: {
    retryable: true,
    message:
      'Another process uses this identity, and both displace each other: stop one or give it own keys',
    closes: 'authentication',
  },
  IDLE: {
    retryable: true,
    message: 'Connection was silent for too long: check the network, and connect again',
    closes: 'idle',
  },
  FLOOD: {
    retryable: true,
    message: 'Connection closed because of far too many requests: send more slowly',
    closes: 'flood',
  },
  SHUTTING_DOWN: { retryable: true, message: 'The hub is shutting down: connect again later' },
  CONNECTION_LOST: {
    retryable: true,
    message: 'Connection to the hub was lost: check that the hub is running and reachable',
  },
  HUB_KEY_CHANGED: {
    retryable: false,
    message:
      'Hub shows another key than before: ask its operator; if the change is intended, ' +
      'set the option hubKey',
  },
  PLAINTEXT_REFUSED: {
    retryable: false,
    message: 'Unencrypted connection refused: use TLS, or allow plaintext on both sides',
  },
  TIMEOUT: {
    retryable: true,
    message: 'No answer in time: check that the hub is running and reachable, or try again',
  },
  INTERNAL: {
    retryable: true,
    message: "The hub failed to handle the request: try again, or look into the hub's log",
  },
} as const satisfies Readonly<Record<string, ErrorRule>>;

/** Refusals that no signature covers, since the hub has not proved its key when they come up. */
const BEFORE_PROOF: ReadonlySet<string> = new Set<keyof typeof TABLE>([
  'HUB_KEY_CHANGED',
  'PLAINTEXT_REFUSED',
  'VERSION',
]);

/**
 * Whether an error ends an agent's connection for good. What anybody could have said does not: it
 * is reported, and the client goes on trying.
 */
export function isFinal({ code, retryable }: AgentMeshError): boolean {
  return !retryable && !BEFORE_PROOF.has(code);
}

/** Stable codes of {@link ProtocolError}. */
export type ErrorCode = keyof typeof TABLE;

/** The table of all codes; `docs/reference.md` is generated from it. */
export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorRule>> = TABLE;

/** Whether a text from outside is a code of the table. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}

/** What may be said beside the code. */
export interface ProtocolErrorOptions {
  /** Where the fault is, appended to the default text. Never a value from outside. */
  readonly detail?: string | undefined;
  /** Replaces the default text. */
  readonly message?: string | undefined;
  /** Earliest time, from now, at which repeating makes sense. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** Refusal by a codec, by a check of this package, or by a hub (its `error` frame). */
export class ProtocolError extends AgentMeshError {
  readonly code: ErrorCode;
  /** Only set when the refusal says when to come back. */
  declare readonly retryAfterMs?: number;

  constructor(code: ErrorCode, options: ProtocolErrorOptions = {}) {
    const { detail, message = ERROR_CODES[code].message, retryAfterMs, cause } = options;
    super(detail === undefined ? message : `${message} (${detail})`, {
      retryable: ERROR_CODES[code].retryable,
      cause,
    });
    this.code = code;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

/** The documented answer to a name or address that no agent has registered. */
export function peerNotFound(peer: string): ProtocolError {
  return new ProtocolError('PEER_NOT_FOUND', { message: `Peer '${peer}' not found on hub` });
}

/** Outcome of a check: a refusal is a value, so that no caller can forget to catch it. */
export type Checked<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ProtocolError };

/** A refusal that names the limit and, where it is known, what was met; both in bytes. */
export function tooLarge(what: string, limit: number, met?: number): ProtocolError {
  const size = met === undefined ? '' : ` with ${met.toLocaleString('en-US')} bytes`;
  const over = `is larger than the limit of ${limit.toLocaleString('en-US')} bytes`;
  const message = `${what}${size} ${over}: send less or split it`;
  return new ProtocolError('TOO_LARGE', { message });
}
