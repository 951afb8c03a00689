/**
 * The errors of the cryptographic layer: one base class for every AgentMesh package and one class
 * for this one. Owns the stable codes and their texts. Does not know hubs, agents or transport.
 *
 * All ways in which opening a message can fail share one text, so that neither a log nor an answer
 * tells an attacker which check stopped him; the code tells the developer.
 */

/** Base of every error that an AgentMesh package throws on purpose. */
export abstract class AgentMeshError extends Error {
  /** Stable identifier; branch on this, never on the message. */
  abstract readonly code: string;
  /** Whether the same call can succeed later without the caller changing anything. */
  readonly retryable: boolean;

  protected constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.retryable = options.retryable;
  }
}

const UNDECRYPTABLE = 'Authentication tag mismatch';

const MESSAGES = {
  NOT_READY: 'The cryptographic library is not loaded: await ready() first',
  INVALID_ARGUMENT: 'Invalid argument',
  MALFORMED: 'Malformed message',
  BAD_KEY: 'Public key refused',
  BAD_RECORD: 'Record refused',
  EXPIRED: 'Record expired',
  ROLLED_BACK: 'Record is older than one already seen',
  REVOKED: 'Identity was revoked by its owner, for ever',
  BAD_FINGERPRINT: 'Fingerprint does not match',
  UNKNOWN_PREKEY: 'Prekey is not known here any more',
  UNKNOWN_SESSION: 'No session with this identifier',
  SENDER_MISMATCH: 'Sender does not own this session',
  TOO_FAR: 'Message is too far ahead of this session',
  TOO_LARGE: 'Message is too large',
  SESSION_EXHAUSTED: 'Session has sent its last message: a new one is needed',
  DUPLICATE: 'Replay attack detected',
  BAD_SID: UNDECRYPTABLE,
  BAD_HEADER: UNDECRYPTABLE,
  BAD_CIPHERTEXT: UNDECRYPTABLE,
  BAD_PADDING: UNDECRYPTABLE,
  BAD_SIGNATURE: UNDECRYPTABLE,
  BAD_CONTENT: UNDECRYPTABLE,
  KEY_FILE_NOT_FOUND: 'Key file not found',
  KEY_FILE_PERMISSIONS: 'Key file can be read by others',
  KEY_FILE_MALFORMED: 'Key file is damaged or not a key file; it was left as it is',
  KEY_FILE_PASSPHRASE_REQUIRED: 'Key file is protected: a passphrase is needed',
  KEY_FILE_WRONG_PASSPHRASE: 'Passphrase does not open this key file',
  KEY_FILE_EXISTS: 'Key file exists already; it was left as it is',
  KEY_FILE_IO: 'Key file could not be read or written',
} as const;

/** Stable codes of {@link CryptoError}. */
export type CryptoErrorCode = keyof typeof MESSAGES;

/** Refusal or misuse in the cryptographic layer. Never carries key material. */
export class CryptoError extends AgentMeshError {
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, detail?: string, cause?: unknown) {
    super(detail === undefined ? MESSAGES[code] : `${MESSAGES[code]}: ${detail}`, {
      retryable: code === 'NOT_READY' || code === 'KEY_FILE_IO',
      cause,
    });
    this.code = code;
  }
}
