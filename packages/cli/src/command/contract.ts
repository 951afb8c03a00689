/**
 * `contract …`: the contracts that this agent knows, for `ask`, `listen` and MCP clients. Owns what
 * is printed; the files are `profile/contracts`'.
 */
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { contractOf, forgetContract, keepContract, readContract } from '../profile/contracts.js';
import { readContracts } from '../profile/contracts.js';
import type { KnownContract } from '../profile/contracts.js';
import type { CommandProcess } from './process.js';
import { agentCommand, streamCommand } from './program.js';
import { filesFor, printResult } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Adds them. */
export function addContract(program: Command, command: CommandProcess): void {
  const group = program
    .command('contract')
    .description('Contracts that this agent knows: operations with schemas');
  agentCommand(
    group,
    'add <file>',
    'Remember a contract: the JSON that describe(contract) gives',
    'agentmesh contract add research.json',
  ).action((file: string, options: CommonOptions) => {
    const contract = readContract(resolve(command.cwd, file));
    keepContract(filesFor(options, command), contract);
    print(contract, options, command);
  });
  agentCommand(group, 'list', 'List them', 'agentmesh contract list').action(
    (options: CommonOptions) => {
      for (const one of readContracts(filesFor(options, command))) print(one, options, command);
    },
  );
  streamCommand(
    group,
    'show <id>',
    'Print one as JSON, with its schemas',
    'agentmesh contract show research@1',
  ).action((id: string, options: CommonOptions) => {
    const contract = contractOf(filesFor(options, command), id);
    command.print(`${JSON.stringify(contract, null, 2)}\n`);
  });
  agentCommand(group, 'remove <id>', 'Forget one', 'agentmesh contract remove research@1').action(
    (id: string, options: CommonOptions) => {
      forgetContract(filesFor(options, command), id);
      printResult(command, options, { removed: id }, `${id} forgotten\n`);
    },
  );
}

function print(
  { id, operations: all }: KnownContract,
  options: CommonOptions,
  command: CommandProcess,
): void {
  const operations = Object.keys(all);
  printResult(command, options, { id, operations }, `${id}: ${operations.join(', ')}\n`);
}
