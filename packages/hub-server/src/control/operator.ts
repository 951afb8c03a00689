/**
 * Opens the operator's socket of a hub, for the command and for programs that run a hub. Owns which
 * parts it needs; the methods are `hub-control`'s, the socket is `control-socket`'s.
 */
import { systemHost } from '@agentmesh/hub-local';
import type { BannedAgents } from './banned.js';
import { controlPathOf, ControlSocket } from './control-socket.js';
import { hubMethods } from './hub-control.js';
import type { HubControlParts, OperatedHub } from './hub-control.js';

/** What an operator works on. */
export interface OperatorOptions {
  /** The hub, started. */
  readonly server: OperatedHub;
  /** The hub's store. */
  readonly store: HubControlParts['store'];
  /** Its data folder: the socket is in there. */
  readonly folder: string;
  /** What the hub's `isBlocked` asks. */
  readonly banned: BannedAgents;
  /** Makes one more registration token. Default: null, no token is asked for. */
  readonly newToken?: HubControlParts['newToken'] | undefined;
}

/** An open socket. */
export interface OperatorSocket {
  readonly path: string;
  /** Ends it, before or after the hub stops. */
  close(): Promise<void>;
}

/**
 * Lets the operator of a hub in: `agentmesh hub …` speaks to this socket. CONTROL_SOCKET where
 * there can be none.
 */
export function serveOperator(options: OperatorOptions): Promise<OperatorSocket> {
  const { server, store, folder, banned, newToken = null } = options;
  const { clock } = systemHost;
  const rest = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  const methods = hubMethods({ hub: server, store, banned, newToken, clock, rest });
  return ControlSocket.open(controlPathOf(folder), methods);
}
