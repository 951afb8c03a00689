/**
 * `contract …`: the contracts that this agent knows, for `ask`, `listen` and MCP clients. Owns what
 * is printed; the files are `profile/contracts`', which is loaded when one is named.
 */
import type { Command } from 'commander';
import { resolve } from 'node:path';
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
  ).action(async (file: string, options: CommonOptions) => {
    const { keepContract, readContract } = await loadContracts();
    const contract = readContract(resolve(command.cwd, file));
    keepContract(filesFor(options, command), contract);
    print(contract, options, command);
  });
  agentCommand(group, 'list', 'List them', 'agentmesh contract list').action(
    async (options: CommonOptions) => {
      const { readContracts } = await loadContracts();
      for (const one of readContracts(filesFor(options, command))) print(one, options, command);
    },
  );
  streamCommand(
    group,
    'show <id>',
    'Print one as JSON, with its schemas',
    'agentmesh contract show research@1',
  ).action(async (id: string, options: CommonOptions) => {
    const { contractOf } = await loadContracts();
    const contract = contractOf(filesFor(options, command), id);
    command.print(`${JSON.stringify(contract, null, 2)}\n`);
  });
  agentCommand(group, 'remove <id>', 'Forget one', 'agentmesh contract remove research@1').action(
    async (id: string, options: CommonOptions) => {
      const { forgetContract } = await loadContracts();
      forgetContract(filesFor(options, command), id);
      printResult(command, options, { removed: id }, `${id} forgotten\n`);
    },
  );
}

const loadContracts = () => import('../profile/contracts.js');

function print(
  { id, operations: all }: KnownContract,
  options: CommonOptions,
  command: CommandProcess,
): void {
  const operations = Object.keys(all);
  printResult(command, options, { id, operations }, `${id}: ${operations.join(', ')}\n`);
}
