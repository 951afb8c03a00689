/**
 * Mistakes in the set-up of a hub. Owns their codes; refusals that travel in frames are
 * `ProtocolError`s of the protocol package.
 */
import { AgentMeshError } from '@agentmesh/protocol';

const MESSAGES = {
  /** An option has an unknown name or a wrong value. Write what the text says. */
  BAD_OPTION: 'Hub option refused',
  HUB_CLOSED: 'This hub is closed: create a new one',
} as const;

/** Stable codes of {@link HubError}. */
export type HubErrorCode = keyof typeof MESSAGES;

/** A hub that cannot be set up or used as asked; never retryable. */
export class HubError extends AgentMeshError {
  readonly code: HubErrorCode;

  constructor(code: HubErrorCode, detail?: string) {
    super(detail === undefined ? MESSAGES[code] : `${MESSAGES[code]} (${detail})`, {
      retryable: false,
    });
    this.code = code;
  }
}
