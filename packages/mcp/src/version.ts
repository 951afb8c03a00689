/**
 * The version of this package, as the server tells it to its clients.
 * A test compares it with `package.json`.
 */

/** The version of `@agentmesh/mcp`, the same as in its `package.json`. */
export const version = '0.1.0';
