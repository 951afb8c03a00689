/**
 * `@agentmesh/hub-client`: an agent's way to a hub on the network. Not exported on purpose: lines,
 * transports and back-off, which are how it keeps the connection.
 */
export { NetworkHub } from './network-hub.js';
export type { NetworkHubOptions } from './options.js';
export { NetworkHubError } from './errors.js';
export type { NetworkHubErrorCode } from './errors.js';
export type { ClientHost } from './host.js';
export type {
  HubAddress,
  OpenTransport,
  Transport,
  TransportEnd,
  TransportEvents,
  TransportLimits,
} from './transport.js';
