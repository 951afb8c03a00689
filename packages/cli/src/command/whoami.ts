/**
 * `whoami`: who the agent is.
 * Owns what it prints.
 */
import type { Command } from 'commander';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { printResult, withClient } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Adds it. */
export function addWhoami(program: Command, command: CommandProcess): void {
  agentCommand(
    program,
    'whoami',
    'Print name, address and fingerprint of this agent',
    'agentmesh whoami',
    'agentmesh whoami --json',
  ).action(async (options: CommonOptions) => {
    const who = await withClient(options, command, (client) => client.call('whoami', {}));
    const { name, address, fingerprint, connection, hubs } = who;
    const lines = [
      `name         ${name}`,
      `address      ${address}`,
      `fingerprint  ${fingerprint}`,
      `hub          ${hubs.join(', ')} (${connection})`,
    ];
    printResult(command, options, who, `${lines.join('\n')}\n`);
  });
}
