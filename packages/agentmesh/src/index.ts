/**
 * The public door of `agentmesh`, the umbrella package: what a newcomer imports.
 * It owns nothing: each name comes from the layer that defines it.
 */
export { version } from './version.js';
