/**
 * The `agentmesh` command from its arguments to its exit code. Owns what is printed and the order
 * of steps; the command line is `options`, an agent's files are `@agentmesh/agent/node`'s.
 */
import { AgentError } from '@agentmesh/agent';
import { StoppedAgent } from '@agentmesh/agent/node';
import type { DeadLetter } from '@agentmesh/agent/node';
import { AgentMeshError, CryptoError } from '@agentmesh/crypto';
import { version } from '../version.js';
import { helpText } from './help.js';
import {
  createIdentity,
  revokeIdentity,
  showIdentity,
  showRevocation,
  wantsPassphrase,
} from './identity.js';
import { PASSPHRASE_VARIABLE, readCommand } from './options.js';
import type { Command } from './options.js';
import { quoted } from './terminal.js';

const FAILED = 1;
const MISUSED = 2;
/** Characters of a text that fit on a line beside the rest. */
const PREVIEW = 40;

/** What the command needs of its process. */
export interface CommandProcess {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
  readonly exit: (code: number) => void;
  /** Asks for a passphrase; null where nobody can answer. */
  readonly ask: ((question: string) => Promise<string>) | null;
}

type Task = Exclude<Command, { readonly name: 'help' | 'version' }>;

/** Runs the command; whatever goes wrong is one line on stderr and an exit code. */
export async function run(command: CommandProcess): Promise<void> {
  try {
    const wanted = readCommand(command.args);
    if (wanted.name === 'help') command.print(helpText());
    else if (wanted.name === 'version') command.print(`${version}\n`);
    else await perform(wanted, command);
  } catch (error) {
    const isKnown = error instanceof AgentMeshError;
    const line = error instanceof Error ? error.message : String(error);
    const code = isKnown ? ` [${error.code}]` : '';
    command.complain(`agentmesh: ${line.replaceAll(/\s+/g, ' ')}${code}\n`);
    command.exit(isKnown && error.code === 'BAD_OPTION' ? MISUSED : FAILED);
  }
}

async function perform(task: Task, command: CommandProcess): Promise<void> {
  const { keys, json, hub } = task;
  const isNew = task.name === 'identity create';
  const passphrase = isNew ? passphraseIn(command) : await passphraseFor(keys, command);
  const subject = { keys, json, passphrase };
  const [record = ''] = task.ids;
  switch (task.name) {
    case 'identity show':
      return showIdentity(subject, command.print);
    case 'identity create':
      return createIdentity(subject, command.print);
    case 'identity revocation':
      return showRevocation(subject, command.print);
    case 'identity revoke':
      return revokeIdentity(subject, { record, hub: hub ?? '' }, command.print);
    default:
      return lookAfter({ ...task, name: task.name }, passphrase, command);
  }
}

/** What concerns the store of an agent that does not run. */
type StoreTask = Task & { readonly name: `dead-letters ${string}` };

async function lookAfter(
  task: StoreTask,
  passphrase: string | undefined,
  command: CommandProcess,
): Promise<void> {
  await using agent = await StoppedAgent.open(task.keys, { passphrase });
  switch (task.name) {
    case 'dead-letters list':
      for (const letter of await agent.deadLetters()) command.print(lineOf(letter, task.json));
      return;
    case 'dead-letters show':
      command.print(pageOf(await letterOf(agent, task.ids[0] ?? ''), task.json));
      return;
    case 'dead-letters retry':
      await each(task.ids, (id) => agent.retryDeadLetter(id));
      command.print(`${task.ids.length} in the inbox again: start the agent\n`);
      return;
    case 'dead-letters drop':
      await each(task.ids, (id) => agent.dropDeadLetter(id));
      command.print(`${task.ids.length} dropped\n`);
  }
}

function passphraseIn({ env }: CommandProcess): string | undefined {
  const given = env[PASSPHRASE_VARIABLE];
  return given === '' ? undefined : given;
}

/** From the environment, else from the terminal if the key file wants one. */
async function passphraseFor(keys: string, command: CommandProcess): Promise<string | undefined> {
  const given = passphraseIn(command);
  if (given !== undefined || !(await wantsPassphrase(keys))) return given;
  if (command.ask === null) throw new CryptoError('KEY_FILE_PASSPHRASE_REQUIRED');
  return command.ask(`Passphrase of ${keys}: `);
}

async function letterOf(agent: StoppedAgent, id: string): Promise<DeadLetter> {
  const letter = (await agent.deadLetters()).find((one) => one.id === id);
  if (letter === undefined) throw new AgentError('NO_DEAD_LETTER');
  return letter;
}

async function each(ids: readonly string[], act: (id: string) => Promise<void>): Promise<void> {
  for (const id of ids) await act(id);
}

function lineOf(letter: DeadLetter, json: boolean): string {
  if (json) return `${quoted(letter)}\n`;
  const { id, sender, attempts, text, timestamp } = letter;
  const preview = quoted(text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text);
  return `${id}  ${timeOf(timestamp)}  ${sender}  ${attempts} attempts  ${preview}\n`;
}

function pageOf(letter: DeadLetter, json: boolean): string {
  if (json) return `${quoted(letter)}\n`;
  const { id, sender, address, fingerprint, trust, timestamp, attempts, replyTo, payload } = letter;
  const fields = {
    id,
    sender: `${sender} (${trust})`,
    address,
    fingerprint,
    sent: timeOf(timestamp),
    attempts: String(attempts),
    ...(replyTo === null ? {} : { 'reply to': replyTo }),
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name.padEnd(13)}${value}\n`);
  const entries = Object.entries(payload).map(
    ([name, value]) => `  ${quoted(name)}: ${quoted(value)}\n`,
  );
  return `${lines.join('')}payload\n${entries.join('')}`;
}

/** By the sender's clock, which may be anywhere. */
function timeOf(timestampMs: number): string {
  const time = new Date(timestampMs);
  return Number.isNaN(time.getTime()) ? String(timestampMs) : time.toISOString();
}
