/**
 * The link of one connection, on which the hub signs what is final (protocol.md §2.15). Owns the
 * transcript of the connection and which frames are signed: the answer to `auth`, every goodbye,
 * and every error but those that a retry of the same request can cure.
 */
import { isErrorCode, ERROR_CODES, sayAsHub, withAuth } from '@agentmesh/protocol';
import type { AuthOkFrame, ErrorFrame, HubFrame, HubKeyPair } from '@agentmesh/protocol';
import type { Link } from './link.js';

/** A link that signs once the hub has greeted; before that there is nothing to sign with. */
export class SignedLink implements Link {
  readonly #link: Link;
  readonly #hubKey: HubKeyPair;
  #transcript: Uint8Array | null = null;

  constructor(link: Link, hubKey: HubKeyPair) {
    this.#link = link;
    this.#hubKey = hubKey;
  }

  get backlog(): number {
    return this.#link.backlog;
  }

  /** The hub has proved its key: from here on its words belong to this connection. */
  greeted(transcript: Uint8Array): void {
    this.#transcript = transcript;
  }

  /** The client has sent `auth`: from here on its words belong to that identity too. */
  authenticating(authText: string): void {
    if (this.#transcript !== null) this.#transcript = withAuth(this.#transcript, authText);
  }

  send(frame: HubFrame): void {
    this.#link.send(this.#isFinal(frame) ? this.#signed(frame) : frame);
  }

  /** The answer to `auth`. */
  admit(reply: Omit<AuthOkFrame, 'signature'>): void {
    this.#link.send(this.#signed({ ...reply, signature: new Uint8Array(64) }));
  }

  gather(): void {
    this.#link.gather?.();
  }

  close(code: number, reason: string): void {
    this.#link.close(code, reason);
  }

  #isFinal(frame: HubFrame): frame is Extract<HubFrame, { type: 'error' | 'bye' }> {
    return frame.type === 'bye' || (frame.type === 'error' && !isRetried(frame));
  }

  #signed<F extends Extract<HubFrame, { type: 'auth_ok' | 'error' | 'bye' }>>(frame: F): F {
    if (this.#transcript === null) return frame;
    return sayAsHub<F>(this.#hubKey, this.#transcript, frame);
  }
}

/** An answer like RATE_LIMITED, of which there may be many. */
function isRetried({ re, code }: ErrorFrame): boolean {
  return re !== undefined && isErrorCode(code) && ERROR_CODES[code].retryable;
}
