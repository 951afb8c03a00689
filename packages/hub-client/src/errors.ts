/**
 * Mistakes in the set-up of a `NetworkHub`. Owns their codes; what a hub refuses is a
 * `ProtocolError` of the protocol package, and so is a connection that fails (`connection-errors`).
 */
import { AgentMeshError } from '@agentmesh/protocol';

const MESSAGES = {
  /** An option has an unknown name or a wrong value. Write what the text says. */
  BAD_OPTION: 'NetworkHub option refused',
  /** Use Node, or a `wss://` address and a TLS proxy; docs/platforms.md lists what works where. */
  UNSUPPORTED_RUNTIME: 'This runtime cannot connect that way',
  HUB_CLOSED: 'This NetworkHub is closed: create a new one',
} as const;

/** Stable codes of {@link NetworkHubError}. */
export type NetworkHubErrorCode = keyof typeof MESSAGES;

/** A hub client that cannot be set up or used as asked; never retryable. */
export class NetworkHubError extends AgentMeshError {
  readonly code: NetworkHubErrorCode;

  constructor(code: NetworkHubErrorCode, detail?: string) {
    super(detail === undefined ? MESSAGES[code] : `${MESSAGES[code]}: ${detail}`, {
      retryable: false,
    });
    this.code = code;
  }
}
