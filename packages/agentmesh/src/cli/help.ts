/**
 * The text of `agentmesh --help`, made from the table of commands.
 * Owns its layout only; what a command means is in `options`.
 */
import { COMMANDS, PASSPHRASE_VARIABLE } from './options.js';

const TAIL = `
Options:
  --keys FILE  The agent's key file, such as .keys/alice.json; its store lies beside it
  --hub HOST   Where a revocation is shown: HOST:PORT, or a ws:// or wss:// address
  --json       Print one JSON value for each line of the list, or for what is shown
  --version    Print the version
  -h, --help   Print this

The agent must not run meanwhile: its store serves one process. A protected key file asks for its
passphrase on the terminal, or takes it from ${PASSPHRASE_VARIABLE}.
A running agent offers the same: deadLetters(), retryDeadLetter(id), dropDeadLetter(id).
`;

/** Everything that `--help` prints. */
export function helpText(): string {
  const commands = Object.entries(COMMANDS).map(
    ([name, { takes, meaning }]) => `  agentmesh ${name}${takes} --keys FILE\n      ${meaning}\n`,
  );
  return `agentmesh: looks after the agents of this machine\n\nUsage:\n${commands.join('')}${TAIL}`;
}
