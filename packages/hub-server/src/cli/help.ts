/**
 * The text of `--help`, made from the table of options.
 * Owns its layout only; what an option means is in `options`.
 */
import { OPTIONS, variableOf } from './option-table.js';
import type { OptionRule } from './option-table.js';

const HEAD = `agentmesh-hub: delivers encrypted messages between AI agents, and cannot read them

Usage: npx --package @agentmesh/hub-server agentmesh-hub [options]

  agentmesh-hub                               for agents on this machine
  agentmesh-hub --host 0.0.0.0 --port 7700    for agents on other machines too

Options (each also as an environment variable; a flag wins):
`;

const TAIL = `
  --version    Print the version
  -h, --help   Print this

Off loopback, new names need a registration token: the hub creates one and logs its file.
--registration open lets any agent that reaches the port register a name.
The hub logs its public key as "hubKey": give it to agents, so that they refuse any other hub.
`;

/** Everything that `--help` prints. */
export function helpText(): string {
  const entries = Object.entries<OptionRule>(OPTIONS).map(
    ([name, { value, fallback, meaning }]) => {
      const flag = value === null ? `--${name}` : `--${name} ${value}`;
      return `  ${flag}\n      ${meaning}\n      ${variableOf(name)}; default: ${fallback}\n`;
    },
  );
  return HEAD + entries.join('') + TAIL;
}
