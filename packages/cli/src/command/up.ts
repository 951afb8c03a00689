/**
 * `up`: holds the agent until it is told to stop; the first time it makes keys, and a hub where
 * none is known. Owns what it prints; the work is `holder/up`'s.
 */
import type { Command } from 'commander';
import { controlError } from '../control/error.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { shown } from './shown.js';
import { filesFor, printResult, withPassphrase } from './with-client.js';
import type { CommonOptions } from './with-client.js';

interface UpFlags extends CommonOptions {
  readonly name?: string | undefined;
  readonly hub?: string | undefined;
  readonly hubKey?: string | undefined;
  readonly token?: string | undefined;
  readonly acceptFrom?: string | undefined;
}

/** Adds it. */
export function addUp(program: Command, command: CommandProcess): void {
  agentCommand(program, 'up', 'Hold this agent, and stay: makes it the first time')
    .option('--name <name>', 'its name on the hub')
    .option('--hub <address>', 'the hub: HOST:PORT or a URL (default: one of its own)')
    .option('--hub-key <key>', 'the key that the hub must prove')
    .option('--token <token>', 'registration token of the hub')
    .option('--accept-from <who>', 'whose messages reach the inbox: ask, anyone or known')
    .addHelpText('after', EXAMPLES)
    .action((options: UpFlags) => up(options, command));
}

async function up(options: UpFlags, command: CommandProcess): Promise<void> {
  const files = filesFor(options, command);
  const acceptFrom = acceptFromOf(options.acceptFrom);
  const { name, hub, hubKey, token } = options;
  const wanted = { name, hub, hubKey, token, acceptFrom };
  const log = (line: string): void => command.complain(`agentmesh: ${shown(line)}\n`);
  const { bringUp } = await import('../holder/up.js');
  const held = await withPassphrase(files.keys, command, (passphrase) =>
    bringUp(files, { ...wanted, passphrase, log }),
  );
  if (held === null) {
    printResult(command, options, { state: 'held' }, 'up already: held by another program\n');
    return;
  }
  const { agent, hubs, invite } = held;
  const { id, address, fingerprint } = agent;
  const lines = [
    `${id} is up on ${hubs.join(', ')}`,
    `fingerprint  ${fingerprint}`,
    ...(invite === null ? [] : ['Let another agent join with:', `  agentmesh join ${invite}`]),
  ];
  const told = { state: 'up', name: id, address, fingerprint, hubs, invite };
  printResult(command, options, told, `${lines.join('\n')}\n`);
  const stopped = Promise.withResolvers<Error | null>();
  agent.on('stopped', ({ error }) => stopped.resolve(error));
  const forget = command.onStop(() => stopped.resolve(null));
  const error = await stopped.promise;
  forget();
  await held.close();
  if (error !== null) throw error;
}

function acceptFromOf(text: string | undefined): 'anyone' | 'ask' | 'known' | undefined {
  if (text === undefined || text === 'anyone' || text === 'ask' || text === 'known') return text;
  throw controlError('BAD_OPTION', `--accept-from ${text}: ask, anyone or known`);
}

const EXAMPLES = `
Examples:
  agentmesh up --name alice
  agentmesh up --name alice --hub hub.example:7700 --token TOKEN`;
