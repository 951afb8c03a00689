/**
 * Opens the operator's way into the hub that this command runs. Owns that a hub without it runs on,
 * and where new tokens go; the methods are `hub-control`'s.
 */
import { systemHost } from '@agentmesh/hub-local';
import type { Registration } from '@agentmesh/hub-local';
import type { BannedAgents } from '../control/banned.js';
import { controlPathOf, ControlSocket } from '../control/control-socket.js';
import { hubMethods } from '../control/hub-control.js';
import type { HubControlParts, OperatedHub } from '../control/hub-control.js';
import type { HubLogger } from '../logger.js';
import { lineOf, ServerError } from '../server-error.js';
import type { HubConfig } from './options.js';
import { addToken, tokenPathOf } from './registration-files.js';

/** What the operator works on. */
export interface OperatingParts {
  readonly hub: OperatedHub;
  readonly store: HubControlParts['store'];
  readonly banned: BannedAgents;
  readonly registration: Registration;
  readonly logger: HubLogger;
}

/** Null, and a warning, where there can be no socket. */
export async function openControl(
  config: HubConfig,
  { hub, store, banned, registration, logger }: OperatingParts,
): Promise<ControlSocket | null> {
  const path = controlPathOf(config.data);
  const methods = hubMethods({
    hub,
    store,
    banned,
    newToken: registration.mode === 'token' ? () => newToken(config, registration) : null,
    clock: systemHost.clock,
    rest: () => new Promise((resolve) => void setImmediate(resolve)),
  });
  try {
    const control = await ControlSocket.open(path, methods);
    logger.info({ path }, 'operator socket');
    return control;
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    logger.warn({ reason: lineOf(error) }, 'no operator socket');
    return null;
  }
}

/** In the file first: a token that works now works after a restart too. */
function newToken(
  config: HubConfig,
  registration: Extract<Registration, { mode: 'token' }>,
): { token: string; file: string } {
  const file = tokenPathOf(config);
  const token = addToken(file);
  (registration.tokens as string[]).push(token);
  return { token, file };
}
