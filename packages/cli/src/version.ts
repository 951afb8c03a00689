/**
 * The version of this package, as holder and clients tell each other.
 * A test compares it with `package.json`.
 */

/** The version of `@agentmesh/cli`, the same as in its `package.json`. */
export const version = '0.1.0';
