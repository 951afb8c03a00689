/**
 * `up`: holds the agent until it is told to stop; the first time it makes keys, and a hub where
 * none is known. Owns what it prints; the work is `holder/up`'s.
 */
import { Option } from 'commander';
import type { Command } from 'commander';
import { reportOf } from '../control/error.js';
import type { UpAgent } from '../holder/up.js';
import type { AgentFiles } from '../profile/profile.js';
import type { WakeSettings } from '../profile/settings.js';
import { Listener } from '../wake/listener.js';
import { reporter, wakeFrom, wakeOptions } from './listen.js';
import type { WakeFlags } from './listen.js';
import { closing } from './process.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { shown } from './shown.js';
import { filesFor, printResult, withPassphrase } from './with-client.js';

interface UpFlags extends Omit<WakeFlags, 'exec'> {
  readonly name?: string | undefined;
  readonly hub?: string | undefined;
  readonly host?: string | undefined;
  readonly hubKey?: string | undefined;
  readonly token?: string | undefined;
  readonly acceptFrom?: (typeof ACCEPT_FROM)[number] | undefined;
  /** False: nothing runs any more when mail comes. */
  readonly exec?: string | false | undefined;
}

const ACCEPT_FROM = ['ask', 'anyone', 'known'] as const;

/** Adds it. */
export function addUp(program: Command, command: CommandProcess): void {
  wakeOptions(agentCommand(program, 'up', 'Hold this agent, and stay: makes it the first time'))
    .option('--no-exec', 'run nothing any more when mail comes')
    .option('--name <name>', 'its name on the hub')
    .option('--hub <address>', 'the hub: HOST:PORT or a URL (default: one of its own)')
    .option('--host <address>', 'where a hub of its own listens: 0.0.0.0 lets other machines in')
    .option('--hub-key <key>', 'the key that the hub must prove')
    .option('--token <token>', 'registration token of the hub')
    .addOption(
      new Option('--accept-from <who>', 'whose messages reach the inbox').choices(ACCEPT_FROM),
    )
    .addHelpText('after', EXAMPLES)
    .action((options: UpFlags) => up(options, command));
}

async function up(options: UpFlags, command: CommandProcess): Promise<void> {
  const files = filesFor(options, command);
  const { name, hub, host, hubKey, token, acceptFrom } = options;
  const wake = wakeOf(options, command);
  const wanted = { name, hub, host, hubKey, token, acceptFrom, wake };
  const log = (line: string): void => command.complain(`agentmesh: ${shown(line)}\n`);
  const { bringUp } = await import('../holder/up.js');
  await closing(command, async (signal) => {
    const held = await withPassphrase(files.keys, command, (passphrase) =>
      bringUp(files, { ...wanted, passphrase, log, signal }),
    );
    if (held !== null) return stayUp(held, { files, options, command, signal });
    printResult(command, options, { state: 'held' }, 'up already: held by another program\n');
  });
}

/** Holds it until it is told to stop, or its agent has stopped. */
async function stayUp(
  held: UpAgent,
  about: {
    readonly files: AgentFiles;
    readonly options: UpFlags;
    readonly command: CommandProcess;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { files, options, command, signal } = about;
  const { agent, hubs, invite } = held;
  const stopped = Promise.withResolvers<Error | null>();
  agent.on('stopped', ({ error }) => stopped.resolve(error));
  signal.addEventListener('abort', () => stopped.resolve(null));
  if (signal.aborted) stopped.resolve(null);
  const { id, address, fingerprint } = agent;
  const lines = [
    `${id} is up on ${hubs.join(', ')}`,
    `fingerprint  ${fingerprint}`,
    ...(invite === null ? [] : [`${inviteText(held.reach)}:`, `  agentmesh join ${invite}`]),
  ];
  const told = { state: 'up', name: id, address, fingerprint, hubs, invite };
  printResult(command, options, told, `${lines.join('\n')}\n`);
  const stopWaking = await wakeWith(files, held.settings.wake, options, command);
  const error = await stopped.promise;
  await stopWaking();
  await held.close();
  if (error !== null) throw error;
}

/** Whom an invite is for: a hub that only this machine reaches is of no use to others. */
function inviteText(reach: UpAgent['reach']): string {
  if (reach !== 'here') return 'Let another agent join with';
  return 'Let another agent on this machine join with (up --host 0.0.0.0 lets other machines in)';
}

/** What the options say; undefined: as it was. */
function wakeOf(options: UpFlags, command: CommandProcess): WakeSettings | null | undefined {
  const { exec } = options;
  if (exec === false) return null;
  if (exec === undefined) return undefined;
  const { batchMs, concurrency, from, limitMs } = wakeFrom({ ...options, exec }, exec, command);
  return { exec, batchMs, concurrency, from, limitMs };
}

/** Wakes a program as the settings say; the result stops that. */
async function wakeWith(
  files: AgentFiles,
  wake: WakeSettings | null,
  options: UpFlags,
  command: CommandProcess,
): Promise<() => Promise<void>> {
  if (wake === null) return async () => undefined;
  const { openControl } = await import('../holder/open-control.js');
  const control = await openControl(files, { onlyHeld: true, client: 'up' });
  const { exec, batchMs, concurrency, from, limitMs } = wake;
  const base = wakeFrom({ ...options, exec }, exec, command);
  const listener = new Listener(control, {
    ...base,
    batchMs: batchMs ?? base.batchMs,
    concurrency: concurrency ?? base.concurrency,
    limitMs: limitMs ?? base.limitMs,
    from,
    ended: reporter(options, command),
  });
  const ended = listener.run().catch((error: unknown) => {
    command.complain(`agentmesh: nothing wakes any more: ${shown(reportOf(error).message)}\n`);
  });
  return async () => {
    listener.stop();
    await ended;
    await control.close();
  };
}

const EXAMPLES = `
Examples:
  agentmesh up --name alice
  agentmesh up --host 0.0.0.0
  agentmesh up --name alice --hub hub.example:7700 --token TOKEN
  agentmesh up --exec './agent.sh' --from verified`;
