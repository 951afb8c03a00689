/**
 * Why a hub server cannot start or serve. Owns codes and texts; failures of the database are
 * `store-error`, refusals that travel in frames are protocol's.
 */
import { AgentMeshError, visible } from '@agentmesh/protocol';

const MESSAGES = {
  /** An option, flag or variable has an unknown name or a wrong value. Write what the text says. */
  BAD_OPTION: 'Option refused',
  BAD_CERTIFICATE: 'TLS certificate or key cannot be used: give a PEM pair that belongs together',
  BAD_HUB_KEY: 'The file of the hub key cannot be used: copy it from another hub of this store',
  /** Run the command that the text names. */
  UNSAFE_FILE: 'A file or folder of the hub is not safe from other users',
  /** Install the package that the text names. */
  MISSING_PACKAGE: 'A package that this option needs is not installed',
  PORT_IN_USE: 'Address is in use: stop the other program or choose another port',
  CANNOT_LISTEN: 'Cannot listen on this address: check host, port and permissions',
  /** The hub runs on without it; only its operator's commands have no way in. */
  CONTROL_SOCKET: 'No socket for the commands of the operator',
  CONTROL_VERSION: 'Hub and command speak different versions: install the same version of both',
  BAD_PARAMS: 'Parameters refused: correct what the text names',
  /** Check the spelling; `agentmesh hub agents` lists all names. */
  NO_SUCH_AGENT: 'No agent of this name or address',
  NOT_CONNECTED: 'Agent has no connection to this hub: see agentmesh hub agents',
  NOT_BANNED: 'Agent is not banned: see agentmesh hub banned',
  STILL_CONNECTED: 'Agent is connected and would take the name again: ban it first',
  NO_TOKENS: 'This hub asks for no registration token: start it with --registration token',
  /** Copy the streams with the tools of NATS. A name cannot be freed there. */
  NOT_IN_NATS: 'Not possible with a store in NATS',
  CANNOT_WRITE: 'A file of the hub cannot be written: check the disk and the mode',
  ALREADY_STARTED: 'This server was started before: make a new one',
  /** Call `start()` first, and await it. */
  NOT_STARTED: 'This server was not started',
} as const;

/** Stable codes of {@link ServerError}. */
export type ServerErrorCode = keyof typeof MESSAGES;

/** Nothing that trying again alone would change. */
export class ServerError extends AgentMeshError {
  readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, options: { detail?: string; cause?: unknown } = {}) {
    const { detail, cause } = options;
    const message = detail === undefined ? MESSAGES[code] : `${MESSAGES[code]} (${detail})`;
    super(message, { retryable: false, cause });
    this.code = code;
  }
}

/** What a failed `listen` means. */
export function listenErrorOf(thrown: unknown, address: string): ServerError {
  const code = textOf(thrown, 'code');
  const kind = code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'CANNOT_LISTEN';
  return new ServerError(kind, { detail: address, cause: thrown });
}

/** One line about whatever was thrown. */
export function lineOf(thrown: unknown): string {
  return visible((textOf(thrown, 'message') ?? String(thrown)).replace(/\s+/g, ' '));
}

/** A field of something that was thrown, if it is text. */
export function textOf(thrown: unknown, field: 'code' | 'message'): string | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  const value = (thrown as Record<string, unknown>)[field];
  return typeof value === 'string' ? value : undefined;
}
