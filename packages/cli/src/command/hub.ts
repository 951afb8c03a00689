/**
 * `hub …`: the commands of a hub's operator. Each asks the running hub one thing through the socket
 * in its data folder, and prints. Owns what they print.
 */
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { hubFolderOf, HubOperator } from '../control/hub-operator.js';
import type { HubAgent, HubAgentPage, HubQueue } from '../control/hub-operator.js';
import { countOf } from './duration.js';
import type { CommandProcess } from './process.js';
import { withExamples } from './program.js';
import { shown } from './shown.js';
import { printResult } from './with-client.js';

interface HubFlags {
  readonly data?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Adds them. */
export function addHub(program: Command, command: CommandProcess): void {
  const group = program
    .command('hub')
    .description('Look after a running hub, as its operator')
    .addHelpText('after', EXAMPLES);
  addViews(group, command);
  addMeasures(group, command);
}

function hubCommand(
  group: Command,
  usage: string,
  summary: string,
  ...examples: readonly string[]
): Command {
  const declared = group
    .command(usage)
    .description(summary)
    .option('--data <folder>', 'data folder of the hub (default: $AGENTMESH_DATA)')
    .option('--json', 'print JSON, one object a line');
  return withExamples(declared, examples);
}

function addViews(group: Command, command: CommandProcess): void {
  hubCommand(group, 'status', 'Show version, key and figures', 'agentmesh hub status').action(
    (options: HubFlags) =>
      operate(options, command, async (hub) => {
        const state = await hub.call('status', {});
        const lines = Object.entries(state).map(([name, value]) => `${name.padEnd(13)}${value}\n`);
        printResult(command, options, state, lines.join(''));
      }),
  );
  hubCommand(group, 'agents', 'List registered agents', 'agentmesh hub agents --prefix build-')
    .option('--prefix <text>', 'only names that begin with it')
    .action((options: HubFlags & { readonly prefix?: string }) =>
      operate(options, command, async (hub) => {
        const { prefix } = options;
        for (let after: string | null = ''; after !== null;) {
          const { agents, next }: { agents: readonly HubAgent[]; next: string | null } =
            await hub.call('agents', { prefix, after });
          for (const agent of agents) printResult(command, options, agent, lineOfAgent(agent));
          after = next;
        }
      }),
    );
  hubCommand(group, 'queues', 'List the longest queues', 'agentmesh hub queues --max 5')
    .option('--max <count>', 'at most so many', '20')
    .action((options: HubFlags & { readonly max: string }) => {
      const max = countOf(options.max, '--max', 1_000);
      return operate(options, command, async (hub) => {
        const { queues } = await hub.call('queues', { max });
        for (const queue of queues) printResult(command, options, queue, lineOfQueue(queue));
      });
    });
  hubCommand(
    group,
    'show <agent>',
    'Show one agent, by name or address',
    'agentmesh hub show bob',
  ).action((agent: string, options: HubFlags) =>
    operate(options, command, async (hub) => {
      const page = await hub.call('show', { agent });
      printResult(command, options, page, pageOf(page));
    }),
  );
  hubCommand(group, 'banned', 'List banned agents', 'agentmesh hub banned').action(
    (options: HubFlags) =>
      operate(options, command, async (hub) => {
        for (const one of (await hub.call('banned', {})).banned) {
          printResult(command, options, one, shown(`${one.address}  ${one.note}`) + '\n');
        }
      }),
  );
}

function addMeasures(group: Command, command: CommandProcess): void {
  const onAgent = (
    usage: 'kick' | 'unban' | 'purge' | 'ban',
    summary: string,
    said: (result: { readonly address: string; readonly purged?: number }) => string,
  ): void => {
    hubCommand(group, `${usage} <agent>`, summary, `agentmesh hub ${usage} bob`).action(
      (agent: string, options: HubFlags) =>
        operate(options, command, async (hub) => {
          const result = await hub.call(usage, { agent });
          printResult(command, options, result, `${said(result)}\n`);
        }),
    );
  };
  onAgent('kick', 'End the connection of an agent; it connects again', () => 'disconnected');
  onAgent('ban', 'Shut an agent out, now and later', ({ address }) => `banned ${address}`);
  onAgent('unban', 'Let a banned agent in again', ({ address }) => `unbanned ${address}`);
  onAgent('purge', 'Empty the queue of an agent; senders are told', removed);
  hubCommand(
    group,
    'free <name>',
    'Forget the holder of a name: another agent may take it',
    'agentmesh hub free bob',
  ).action((name: string, options: HubFlags) =>
    operate(options, command, async (hub) => {
      const result = await hub.call('free', { name });
      const { address } = result;
      const text = `free; if ${address} still runs, ban it, or it takes the name again\n`;
      printResult(command, options, result, text);
    }),
  );
  const token = group.command('token').description('Registration tokens');
  hubCommand(token, 'new', 'Make a token and print it', 'agentmesh hub token new').action(
    (options: HubFlags) =>
      operate(options, command, async (hub) => {
        const result = await hub.call('newToken', {});
        printResult(command, options, result, `${result.token}\n`);
      }),
  );
  hubCommand(
    group,
    'backup <file>',
    'Copy the database of the running hub into a new file',
    'agentmesh hub backup ./hub-backup.db',
  ).action((file: string, options: HubFlags) =>
    operate(options, command, async (hub) => {
      const result = await hub.call('backup', { file: resolve(command.cwd, file) });
      printResult(command, options, result, `${result.bytes} bytes in ${result.file}\n`);
    }),
  );
}

async function operate(
  { data }: HubFlags,
  command: CommandProcess,
  work: (hub: HubOperator) => Promise<void>,
): Promise<void> {
  const hub = await HubOperator.connect(hubFolderOf(data, command));
  try {
    await work(hub);
  } finally {
    hub.close();
  }
}

function removed({ purged = 0 }: { readonly purged?: number }): string {
  return `${purged} messages removed`;
}

function lineOfAgent({ name, address, listed, connected, banned, queued }: HubAgent): string {
  const state = banned ? 'banned' : connected ? 'connected' : 'away';
  const mark = listed ? '' : '  (not listed: nobody can write to it)';
  const count = String(queued).padStart(6);
  return `${address}  ${state.padEnd(9)}  ${count} queued  ${shown(name)}${mark}\n`;
}

function lineOfQueue({ name, address, connected, messages, bytes }: HubQueue): string {
  const state = connected ? 'connected' : 'away';
  const size = bytes === null ? '' : `  ${bytes} bytes`;
  const label = shown(name ?? '(no name)');
  const count = String(messages).padStart(6);
  return `${address}  ${state.padEnd(9)}  ${count} queued${size}  ${label}\n`;
}

function pageOf(page: HubAgentPage): string {
  const { name, address, state, connected, banned, seenMs, oldestMs, senders } = page;
  const fields = {
    name: name ?? '(none)',
    address,
    state: [state, connected ? 'connected' : 'away', ...(banned ? ['banned'] : [])].join(', '),
    'last seen': timeOf(seenMs),
    prekeys: page.published ? String(page.oneTimePrekeys) : 'nothing published yet',
    queued: page.queued === 0 ? '0' : `${page.queued}, the first since ${timeOf(oldestMs)}`,
  };
  const lines = Object.entries(fields).map(([key, value]) => `${key.padEnd(11)}${shown(value)}\n`);
  const parts = senders.map(
    (part) => `  ${part.messages} of ${shown(part.name ?? part.address)}, ${part.bytes} bytes\n`,
  );
  return lines.join('') + parts.join('');
}

function timeOf(timeMs: number | null): string {
  return timeMs === null ? 'unknown' : new Date(timeMs).toISOString();
}

const EXAMPLES = `
The commands speak to the socket in the data folder of the hub: --data, else $AGENTMESH_DATA, else
./agentmesh-hub-data, else the hub that agentmesh up runs.

Examples:
  agentmesh hub queues
  agentmesh hub ban mallory --data /var/lib/agentmesh-hub
  agentmesh hub backup /backups/hub.db --json`;
