/**
 * The public door of `@agentmesh/protocol`: records, envelopes, hub frames and the Hub interface.
 * It does not know sockets, storage or agents.
 */
export {};
