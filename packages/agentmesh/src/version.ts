/**
 * The version of the umbrella package, as a value that a program can print.
 * A test compares it with `package.json`.
 */

/** The version of `agentmesh`, the same as in its `package.json`. */
export const version = '0.1.0';
