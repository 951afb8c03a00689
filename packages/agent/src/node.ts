/**
 * The door `@agentmesh/agent/node`: what needs a disk.
 * Owns the list of names and nothing else.
 */
export { SqliteAgentStore } from './store/sqlite/sqlite-agent-store.js';
export type { SqliteAgentStoreOptions } from './store/sqlite/sqlite-agent-store.js';

// An agent that does not run: what operators look into.
export { StoppedAgent } from './stopped-agent.js';
export type { DeadLetter } from './receiving/dead-letters.js';
