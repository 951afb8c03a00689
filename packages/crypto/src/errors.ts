/**
 * The errors of the cryptographic layer: one base class for every AgentMesh package and one class
 * for this one. Owns the stable codes and their texts. Does not know hubs, agents or transport.
 *
 * All ways in which opening a message can fail share one text, so that neither a log nor an answer
 * tells an attacker which check failed; the code tells the developer. The comment above a code says
 * what to do; docs/reference.md shows it.
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
  /** Upgrade Node, or use another runtime; docs/platforms.md says what works where. */
  UNSUPPORTED_RUNTIME: 'This runtime cannot run AgentMesh',
  /** A mistake in the calling code. Pass what the text names. */
  INVALID_ARGUMENT: 'Invalid argument',
  /** The bytes are no message of this protocol version. Upgrade the older side. */
  MALFORMED: 'Malformed message',
  /** The key is malformed, weak or not canonical. Ask its owner for the right one. */
  BAD_KEY: 'Public key refused',
  /**
   * The record is malformed, or its signature, name or hub does not fit. Ask its owner, or the hub,
   * for a new one.
   */
  BAD_RECORD: 'Record refused',
  /** The record is too old. Its owner renews it when it connects; check both clocks if it did. */
  EXPIRED: 'Record expired',
  /** Someone serves an old record. If it persists, ask the operator of the hub. */
  ROLLED_BACK: 'Record is older than one already seen',
  /** Create a new identity, or ask the owner of this one for theirs. */
  REVOKED: 'Identity was revoked by its owner, for good',
  /** Do not send. Compare the fingerprint with its owner over another channel. */
  BAD_FINGERPRINT: 'Fingerprint does not match',
  /** Nothing: the agent begins a new session and asks for the message again. */
  UNKNOWN_PREKEY: 'Prekey is no longer known here',
  /** Nothing: the agent begins a new session and asks for the message again. */
  UNKNOWN_SESSION: 'No session with this identifier',
  /** Nothing: the message was not sent by the owner of this session, and was dropped. */
  SENDER_MISMATCH: 'Sender does not own this session',
  /** Nothing: the hub delivers the message again later. Its sender skips very many messages. */
  SKIP_BUDGET: 'Peer has skipped too many messages lately: open this one later',
  /** Nothing: the agent asks for the messages that are missing. */
  TOO_FAR: 'Message is too far ahead of this session',
  /** Send less, or split it; docs/limits.md lists the limits. */
  TOO_LARGE: 'Message is too large',
  SESSION_EXHAUSTED: 'Session has sent its last message: begin a new one',
  /** Nothing: the message was accepted before, and was dropped. */
  DUPLICATE: 'Replay attack detected',
  /** Nothing: the message was altered or forged, and was dropped. */
  BAD_SID: UNDECRYPTABLE,
  /**
   * Nothing: the message was altered or forged, or belongs to a session that one side has lost. The
   * agent repairs the session if it can.
   */
  BAD_HEADER: UNDECRYPTABLE,
  /** Nothing: the message was altered or forged, and was dropped. */
  BAD_CIPHERTEXT: UNDECRYPTABLE,
  /** The sender has a faulty implementation. Correct it. */
  BAD_PADDING: UNDECRYPTABLE,
  /**
   * Someone holds the keys of the session without those of the sender. Ask the sender to rotate its
   * identity.
   */
  BAD_SIGNATURE: UNDECRYPTABLE,
  /** The sender has a faulty or a newer implementation. Correct or upgrade the older side. */
  BAD_CONTENT: UNDECRYPTABLE,
  /** Check the path, or create the file. */
  KEY_FILE_NOT_FOUND: 'Key file not found',
  /** Run the command that the text names. */
  KEY_FILE_PERMISSIONS: 'Key file can be read by others',
  /** Check the path, or restore the file from a backup. */
  KEY_FILE_MALFORMED: 'Key file is damaged or not a key file; it was left as it is',
  KEY_FILE_PASSPHRASE_REQUIRED: 'Key file is protected: pass its passphrase',
  /** Pass the passphrase with which the file was protected. */
  KEY_FILE_WRONG_PASSPHRASE: 'Passphrase does not open this key file',
  /** Choose another path, or move the file away. */
  KEY_FILE_EXISTS: 'Key file exists already; it was left as it is',
  /** Check the path, its permissions and the file system; the text names the system error. */
  KEY_FILE_IO: 'Key file could not be read or written',
} as const;

/** Unless a cause says that no retry can help. */
const RETRYABLE: ReadonlySet<string> = new Set(['NOT_READY', 'KEY_FILE_IO', 'SKIP_BUDGET']);

/** Stable codes of {@link CryptoError}. */
export type CryptoErrorCode = keyof typeof MESSAGES;

/** Refusal or misuse in the cryptographic layer. Never carries key material. */
export class CryptoError extends AgentMeshError {
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, detail?: string, cause?: unknown, isFinal = false) {
    super(detail === undefined ? MESSAGES[code] : `${MESSAGES[code]}: ${detail}`, {
      retryable: !isFinal && RETRYABLE.has(code),
      cause,
    });
    this.code = code;
  }
}
