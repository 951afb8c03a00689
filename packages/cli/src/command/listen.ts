/**
 * `listen`: prints messages as they come, or runs a program on each. Owns the options and what is
 * printed; waking is `wake/listener`'s.
 */
import type { Command } from 'commander';
import type { Mail } from '../control/api.js';
import { controlError } from '../control/error.js';
import type { Control } from '../holder/open-control.js';
import type { ExecEnd } from '../wake/exec.js';
import type { KnownContract } from '../profile/contracts.js';
import { Listener } from '../wake/listener.js';
import type { WakeOptions } from '../wake/listener.js';
import { countOf, msOf } from './duration.js';
import { pageOf } from './messages.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { shown } from './shown.js';
import { filesFor, printResult, withClient } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Options that say what happens when mail comes. */
export interface WakeFlags extends CommonOptions {
  readonly exec?: string | undefined;
  readonly batch?: string | undefined;
  readonly concurrency: string;
  readonly from?: string | undefined;
  readonly limit: string;
}

/** Adds it. */
export function addListen(program: Command, command: CommandProcess): void {
  wakeOptions(agentCommand(program, 'listen', 'Print messages as they come, or run a program'))
    .option('--contract <id>', 'answer the operations of this contract, and check them')
    .addHelpText('after', EXAMPLES)
    .action(async (options: WakeFlags & { readonly contract?: string }) => {
      const contract = await contractFor(options, command);
      await withClient(options, command, async (control) => {
        if (options.exec === undefined) return printAll(control, options, command);
        const wake = wakeFrom(options, options.exec, command);
        const ended = reporter(options, command);
        const listener = new Listener(control, { ...wake, contract, ended });
        const forget = command.onStop(() => listener.stop());
        try {
          await listener.run();
        } finally {
          forget();
        }
      });
    });
}

/** BAD_OPTION where it is not known, or where there is nothing to check. */
async function contractFor(
  options: WakeFlags & { readonly contract?: string },
  command: CommandProcess,
): Promise<KnownContract | undefined> {
  const { contract: id, exec, batch } = options;
  if (id === undefined) return undefined;
  if (exec === undefined) throw controlError('BAD_OPTION', '--contract belongs to --exec');
  if (batch !== undefined) throw controlError('BAD_OPTION', '--contract excludes --batch');
  const { contractOf } = await import('../profile/contracts.js');
  return contractOf(filesFor(options, command), id);
}

/** Declares the options of waking. */
export function wakeOptions(declared: Command): Command {
  return declared
    .option('--exec <command>', 'run this for each message')
    .option('--batch <time>', 'gather messages for so long, and run it once for all')
    .option('--concurrency <count>', 'how many of it may run at once', '1')
    .option('--from <peer>', 'only messages of this sender; verified: of verified ones')
    .option('--limit <time>', 'how long a run may take', '15m');
}

/** What the options say. BAD_OPTION. */
export function wakeFrom(
  options: WakeFlags,
  exec: string,
  command: CommandProcess,
): Omit<WakeOptions, 'ended'> {
  const { keys } = filesFor(options, command);
  return {
    command: exec,
    batchMs: options.batch === undefined ? 0 : msOf(options.batch, '--batch'),
    concurrency: countOf(options.concurrency, '--concurrency', 100),
    from: options.from,
    limitMs: msOf(options.limit, '--limit'),
    // What the program calls meets the same agent.
    env: { ...command.env, AGENTMESH_KEYS: keys },
    cwd: command.cwd,
    complain: command.complain,
  };
}

/** One line for each run. */
export function reporter(
  options: CommonOptions,
  command: CommandProcess,
): (mails: readonly Mail[], end: ExecEnd) => void {
  return (mails, end) => {
    const ids = mails.map(({ id }) => id);
    const how = end.kind === 'exit' ? `exit ${end.code}` : end.reason;
    const from = [...new Set(mails.map((mail) => mail.from))];
    const told =
      end.kind === 'exit' ? { ids, from, exit: end.code } : { ids, from, failed: end.reason };
    printResult(command, options, told, `${shown(from.join(', '))}: ${ids.join(' ')}: ${how}\n`);
  };
}

const LEASE_MS = 300_000;
const WAIT_MS = 3_600_000;

/** Prints each message once; all stay until they are decided about. */
async function printAll(
  control: Control,
  options: WakeFlags,
  command: CommandProcess,
): Promise<void> {
  const stopped = Promise.withResolvers<null>();
  const forget = command.onStop(() => stopped.resolve(null));
  const seen = new Map<string, Mail>();
  const extending = setInterval(() => {
    for (const [key, { id, address }] of seen) {
      const extended = control.call('extend', { id, from: address, leaseMs: LEASE_MS });
      extended.catch(() => seen.delete(key));
    }
  }, LEASE_MS / 3);
  try {
    for (;;) {
      const { from } = options;
      const asked = control.call('inbox', { max: 100, waitMs: WAIT_MS, leaseMs: LEASE_MS, from });
      const taken = await Promise.race([asked, stopped.promise]);
      if (taken === null) {
        asked.catch(() => undefined);
        return;
      }
      for (const mail of taken.messages) {
        const key = `${mail.address} ${mail.id}`;
        if (!seen.has(key)) printResult(command, options, mail, pageOf(mail));
        seen.set(key, mail);
      }
    }
  } finally {
    clearInterval(extending);
    forget();
  }
}

const EXAMPLES = `
Examples:
  agentmesh listen
  agentmesh listen --exec './agent.sh' --from verified
  agentmesh listen --exec ./research.sh --contract research@1
  agentmesh listen --exec 'claude -p "$(cat $AGENTMESH_PROMPT_FILE)"' --batch 5s

The program gets each message as a line of JSON on standard input, and in its environment
AGENTMESH_FROM, AGENTMESH_ID, AGENTMESH_TRUST and AGENTMESH_PROMPT_FILE, and AGENTMESH_OPERATION
where it asks for an operation of a contract. Exit code 0: handled, and
standard output answers a question; 65: refused; 75: again later; any other: failed, tried again.`;
