/**
 * The public door of `@agentmesh/agent`: `Agent`, its options, events and errors.
 * It does not know a particular hub, nor a particular store.
 */
export {};
