/**
 * Opens the operator's way into the hub that this command runs. Owns that a hub without it runs on,
 * and where new tokens go; the socket is `control/operator`'s.
 */
import type { Registration } from '@agentmesh/hub-local';
import { serveOperator } from '../control/operator.js';
import type { OperatorOptions, OperatorSocket } from '../control/operator.js';
import type { HubLogger } from '../logger.js';
import { lineOf, ServerError } from '../server-error.js';
import type { HubConfig } from './options.js';
import { addToken, tokenPathOf } from './registration-files.js';

/** What the operator works on. */
export interface OperatingParts extends Pick<OperatorOptions, 'server' | 'store' | 'banned'> {
  readonly registration: Registration;
  readonly logger: HubLogger;
}

/** Null, and a warning, where there can be no socket. */
export async function openControl(
  config: HubConfig,
  { registration, logger, ...parts }: OperatingParts,
): Promise<OperatorSocket | null> {
  const newToken = registration.mode === 'token' ? () => makeToken(config, registration) : null;
  try {
    const operator = await serveOperator({ ...parts, folder: config.data, newToken });
    logger.info({ path: operator.path }, 'operator socket');
    return operator;
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    logger.warn({ reason: lineOf(error) }, 'no operator socket');
    return null;
  }
}

/** In the file first: a token that works now works after a restart too. */
function makeToken(
  config: HubConfig,
  registration: Extract<Registration, { mode: 'token' }>,
): { token: string; file: string } {
  const file = tokenPathOf(config);
  const token = addToken(file);
  (registration.tokens as string[]).push(token);
  return { token, file };
}
