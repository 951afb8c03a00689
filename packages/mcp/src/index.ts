/**
 * The public door of `@agentmesh/mcp`: an agent of this user, as tools of a model. It knows only
 * the control client; the agent is held by whoever holds it.
 */
export { serveMcp } from './serve.js';
export type { McpConnection, ServeMcpOptions } from './serve.js';
