/**
 * `@agentmesh/hub-client`: connects agents to a hub on the network. Not exported on purpose:
 * connections, transports and back-off, which are how it stays connected.
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
