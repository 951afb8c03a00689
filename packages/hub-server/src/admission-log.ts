/**
 * Who was not let in, as log lines: a wrong token, a taken name, a signature that does not fit.
 * Owns which refusals an operator wants to see, and how many lines they get; names, tokens and keys
 * are in none.
 */
import type { ErrorCode, ProtocolError } from '@agentmesh/protocol';
import type { HubLogger } from './logger.js';
import { Thrift } from './thrift.js';

const MEANINGS: Partial<Record<ErrorCode, string>> = {
  REGISTRATION_REFUSED: 'registration refused: no valid token, or not on the allow list',
  NAME_TAKEN: 'name refused: it belongs to another identity',
  BAD_AUTH: 'authentication refused',
  BLOCKED: 'blocked agent refused',
  REVOKED: 'revoked identity refused',
};

/** One per server. */
export class AdmissionLog {
  readonly #logger: HubLogger;
  readonly #thrift: Thrift;

  constructor(logger: HubLogger, monotonic: () => number) {
    this.#logger = logger;
    this.#thrift = new Thrift(monotonic);
  }

  /** `remote`: where the connection came from, null if unknown; undefined for who is let in. */
  refused({ code, message }: ProtocolError, remote: string | null | undefined): void {
    const meaning = MEANINGS[code];
    if (meaning === undefined || remote === undefined) return;
    const untold = this.#thrift.take(code);
    if (untold === null) return;
    const more = untold > 0 ? { sinceLastLine: untold } : {};
    this.#logger.warn({ code, remote, reason: message, ...more }, meaning);
  }
}
