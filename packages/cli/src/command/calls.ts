/**
 * `calls`, `call`, `outbox`, `status`: what is on its way. Owns what they print.
 * Calls and messages are the agent's, over any number of restarts.
 */
import type { Command } from 'commander';
import type { CallState, ControlStatus, Json } from '../control/api.js';
import { ControlError } from '../control/error.js';
import { msOf } from './duration.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { quoted, shown } from './shown.js';
import { printResult, withClient } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Adds them. */
export function addCalls(program: Command, command: CommandProcess): void {
  agentCommand(
    program,
    'calls',
    'List questions without an answer, or with one not yet read',
    'agentmesh calls',
  ).action(async (options: CommonOptions) => {
    const { calls } = await withClient(options, command, (control) => control.call('calls', {}));
    for (const call of calls) printResult(command, options, call, callText(call));
  });
  agentCommand(
    program,
    'call <id>',
    'Print the answer of a question asked earlier, or its state',
    'agentmesh call 0123456789abcdef0123456789abcdef --wait 10m',
    'agentmesh call 0123456789abcdef0123456789abcdef --cancel',
  )
    .option('--wait <time>', 'how long to wait for the answer', '0s')
    .option('--cancel', 'give it up')
    .action(async (id: string, options: CallFlags) => {
      const waitMs = msOf(options.wait, '--wait');
      await withClient(options, command, async (control) => {
        if (options.cancel === true) await control.call('cancel', { id });
        const call = await control.call('call_status', { id, waitMs });
        printCall(command, options, call);
      });
    });
  agentCommand(
    program,
    'outbox',
    'List messages that the hub does not have yet, by their peers',
    'agentmesh outbox',
  ).action(async (options: CommonOptions) => {
    const { waiting } = await withClient(options, command, (control) => control.call('outbox', {}));
    for (const one of waiting) {
      const since = one.sinceMs === null ? '' : `  since ${dateOf(one.sinceMs)}`;
      const line = `${shown(one.peer).padEnd(20)}  ${one.messages}${since}\n`;
      printResult(command, options, one, line);
    }
  });
  agentCommand(
    program,
    'status',
    'Print how this agent is doing, and who holds it',
    'agentmesh status',
    'agentmesh status --json',
  ).action(async (options: CommonOptions) => {
    const status = await withClient(options, command, (control) => control.call('status', {}));
    printResult(command, options, status, statusText(status));
  });
}

interface CallFlags extends CommonOptions {
  readonly wait: string;
  readonly cancel?: boolean | undefined;
}

function callText({ id, peer, state, deadlineMs }: CallState): string {
  return `${id}  ${shown(peer).padEnd(20)}  ${state.padEnd(8)}  ${dateOf(deadlineMs)}\n`;
}

/** Prints an answer, or fails with what the callee said. */
export function printCall(command: CommandProcess, options: CommonOptions, call: CallState): void {
  if (call.error !== null) throw new ControlError(call.error);
  const line = call.state === 'open' ? `open ${call.id}` : answerText(call.answer ?? {});
  printResult(command, options, call, `${line}\n`);
}

/** What was said, where it is nothing but a text; else JSON. */
export function answerText(answer: Json): string {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return quoted(answer);
  const { text, type = 'message', ...rest } = answer as Record<string, Json>;
  const isPlain = type === 'message' && Object.keys(rest).length === 0;
  return isPlain && typeof text === 'string' ? shown(text, '\n\t') : quoted(answer);
}

function statusText(status: ControlStatus): string {
  const { name, connection, hubs, peers, outbox, inbox, holder } = status;
  const { pid, version, sinceMs } = holder;
  const { pendingContacts, openCalls, deadLetters } = status;
  return [
    `agent         ${name}, ${connection} at ${hubs.join(', ')}`,
    `held by       process ${pid}, version ${version}, since ${dateOf(sinceMs)}`,
    `inbox         ${inbox}`,
    `outbox        ${outbox}`,
    `open calls    ${openCalls}`,
    `dead letters  ${deadLetters}`,
    `peers         ${peers}, and ${pendingContacts} that wait to be let in`,
    '',
  ].join('\n');
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString();
}
