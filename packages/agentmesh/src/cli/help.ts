/**
 * The text of `agentmesh --help`, made from the table of commands.
 * Owns its layout only; what a command means is in `options`.
 */
import { COMMANDS, PASSPHRASE_VARIABLE } from './options.js';

const TAIL = `
Options:
  --keys FILE  The agent's key file, such as .keys/alice.json; its store is next to it
  --hub HOST   Where a revocation is shown: HOST:PORT, or a ws:// or wss:// address
  --json       Print JSON: one value for each entry of a list, or for what is shown
  --version    Print the version
  -h, --help   Print this

Stop the agent first: one process at a time uses its store. A protected key file asks for its
passphrase on the terminal, or takes it from ${PASSPHRASE_VARIABLE}.
A running agent has the same functions: deadLetters(), retryDeadLetter(id), dropDeadLetter(id).
`;

/** Everything that `--help` prints. */
export function helpText(): string {
  const commands = Object.entries(COMMANDS).map(
    ([name, { takes, meaning }]) => `  agentmesh ${name}${takes} --keys FILE\n      ${meaning}\n`,
  );
  return `agentmesh: manages the agents of this machine\n\nUsage:\n${commands.join('')}${TAIL}`;
}
