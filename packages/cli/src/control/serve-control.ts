/**
 * `serveControl`: whoever holds an agent serves it to other programs of the same user. Owns the
 * public call and its types; the work is `server`'s, which is loaded when it is called.
 */
import type { Agent } from '@agentmesh/agent';
import { systemClock } from '../machine.js';

/** How an agent is served. */
export interface ServeControlOptions {
  /** Path of the socket. Default: beside the agent's store, `alice.sock` beside `alice.db`. */
  readonly path?: string | undefined;
  /** Addresses of the agent's hub, for those who ask. */
  readonly hubs?: readonly string[] | undefined;
  /**
   * Called when `agentmesh up` wants to hold the agent: close this server and the agent then.
   * Default: the agent is kept.
   */
  readonly handOver?: (() => void) | undefined;
}

/** Serves until it is closed. */
export interface ControlServer {
  /** Where it listens. */
  readonly path: string;
  /**
   * Begins nothing new, completes what was begun and gives the socket up: within five seconds, or
   * with `patient` however long that takes. To be called before `agent.close()`.
   */
  close(options?: { readonly patient?: boolean | undefined }): Promise<void>;
}

/**
 * Serves an agent to other programs of this user: `agentmesh` commands, MCP servers, scripts. Call
 * it once the agent is there; it holds the store, so a socket that a killed program has left is
 * taken over. Throws BAD_OPTION where the agent has no file and no path is given, SOCKET_UNSAFE,
 * HOLDER_TAKEN.
 */
export async function serveControl(
  agent: Agent,
  options: ServeControlOptions = {},
): Promise<ControlServer> {
  const { serve } = await import('./server.js');
  return serve(agent, options, systemClock);
}
