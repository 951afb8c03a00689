/**
 * In which order a connection tries the addresses of its hub, and when all of them have failed.
 * Owns the order and what each address said; whether and how long to wait, `lasting-connection`
 * decides. Values only: each change gives a new route.
 */
import { ProtocolError } from '@agentmesh/protocol';
import type { AgentMeshError, RandomSource } from '@agentmesh/protocol';
import { addressText } from './hub-addresses.js';
import type { HubAddress } from './transport.js';

/** The order of the addresses, and those that have failed since the last pause. */
export interface HubRoute {
  readonly addresses: readonly HubAddress[];
  /** Index of the address to try next, or that is connected. */
  readonly at: number;
  readonly failures: readonly HubFailure[];
}

interface HubFailure {
  readonly address: HubAddress;
  readonly error: AgentMeshError;
}

/** What one hub may say although another one of the same addresses would serve. */
const OF_ONE_HUB: ReadonlySet<string> = new Set([
  'HUB_KEY_CHANGED',
  'PLAINTEXT_REFUSED',
  'VERSION',
]);

/** Shuffled, so that agents spread over the hubs, and spread again when one of them dies. */
export function routeOver(addresses: readonly HubAddress[], random: RandomSource): HubRoute {
  const order = addresses.map((address) => ({ address, rank: rankOf(random) }));
  order.sort((one, other) => one.rank - other.rank);
  return { addresses: order.map(({ address }) => address), at: 0, failures: [] };
}

function rankOf(random: RandomSource): number {
  return random(4).reduce((rank, byte) => rank * 256 + byte, 0);
}

export function addressOn({ addresses, at }: HubRoute): HubAddress {
  const address = addresses[at];
  if (address === undefined) throw new ProtocolError('INTERNAL', { detail: 'route' });
  return address;
}

/** The address that was tried, or connected, is given up for the next one. */
export function movedOn(route: HubRoute, error: AgentMeshError): HubRoute {
  const { addresses, at, failures } = route;
  const failure = { address: addressOn(route), error };
  return { addresses, at: (at + 1) % addresses.length, failures: [...failures, failure] };
}

/** What failed before counts no more. */
export function startedAfresh({ addresses, at }: HubRoute): HubRoute {
  return { addresses, at, failures: [] };
}

/** Whether as many tries have failed as there are addresses: time for a pause. */
export function isExhausted({ addresses, failures }: HubRoute): boolean {
  return failures.length >= addresses.length;
}

/** Whether an address may be worth trying after this one has failed so. */
export function mayHelpElsewhere({ code, retryable }: AgentMeshError): boolean {
  return retryable || OF_ONE_HUB.has(code);
}

/** One error for all that failed: one that may pass counts more. Says what each address said. */
export function failureOf({ addresses, failures }: HubRoute): AgentMeshError {
  const worst = failures.find(({ error }) => error.retryable) ?? failures[0];
  if (worst === undefined) throw new ProtocolError('INTERNAL', { detail: 'route' });
  const { error } = worst;
  if (addresses.length === 1 || !(error instanceof ProtocolError)) return error;
  const detail = failures.map(({ address, error: { code } }) => `${addressText(address)} ${code}`);
  const { retryAfterMs } = error;
  return new ProtocolError(error.code, { detail: detail.join(', '), retryAfterMs, cause: error });
}
