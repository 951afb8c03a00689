/**
 * The door `@agentmesh/cli/command`: the `agentmesh` command, for the package that installs it. It
 * loads nothing that encrypts before an agent has to be opened.
 */
export { main } from './command/main.js';
export { run } from './command/run.js';
export type { CommandExtras, CommandProcess } from './command/process.js';
