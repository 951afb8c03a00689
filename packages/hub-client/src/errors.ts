/**
 * Mistakes of whoever sets up a `NetworkHub`. Owns their codes; what a hub refuses, and a lost
 * connection, are `ProtocolError`s of the protocol package.
 */
import { AgentMeshError } from '@agentmesh/protocol';

const MESSAGES = {
  BAD_OPTION: 'NetworkHub option refused',
  HUB_CLOSED: 'This NetworkHub is closed: make a new one',
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
