/**
 * Connections that fail, as errors that name the hub's address and what the system said.
 * Owns their texts only; the codes are the protocol's.
 */
import { ProtocolError } from '@agentmesh/protocol';
import { addressText } from './hub-addresses.js';
import type { HubAddress } from './transport.js';

/** No connection came about: CONNECTION_LOST. */
export function unreachable(
  address: HubAddress,
  { what, cause }: { readonly what?: string; readonly cause?: unknown } = {},
): ProtocolError {
  const advice = 'check that it is running and that its address is right';
  const message = `Cannot reach hub ${addressText(address)}${bracketed(what, cause)}: ${advice}`;
  return new ProtocolError('CONNECTION_LOST', { message, cause });
}

/** A connection that was there has ended: CONNECTION_LOST. */
export function connectionLost(
  address: HubAddress,
  { what, cause }: { readonly what?: string; readonly cause?: unknown } = {},
): ProtocolError {
  const where = addressText(address);
  const message = `Connection to hub ${where} was lost${bracketed(what, cause)}`;
  return new ProtocolError('CONNECTION_LOST', { message, cause });
}

/** The hub said nothing for so long: TIMEOUT. `doing` completes "while …". */
export function noAnswer(address: HubAddress, doing: string, waitedMs: number): ProtocolError {
  const seconds = (waitedMs / 1000).toLocaleString('en-US');
  const message = `No answer from hub ${addressText(address)} in ${seconds} seconds while ${doing}`;
  const advice = 'check that it is a hub and that no firewall is between';
  return new ProtocolError('TIMEOUT', { message: `${message}: ${advice}` });
}

/** What is known of the reason: our own words, and the system's code. */
function bracketed(what: string | undefined, cause: unknown): string {
  const parts = [what, codeOf(cause)].filter((part) => part !== undefined);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** `ECONNREFUSED` and the like; messages of the system may hold anything. */
function codeOf(cause: unknown): string | undefined {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return undefined;
  return typeof cause.code === 'string' ? cause.code : undefined;
}
