/**
 * The public door of `@agentmesh/hub-local`: the hub's router, its memory store and `LocalHub`.
 * It cannot decrypt: nothing of the secret side of `@agentmesh/crypto` is reachable from here.
 */
export {};
