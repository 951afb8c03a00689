/**
 * What an `agentmesh` command line asks for: one table of commands, from which parsing and `--help`
 * come. Owns what is valid; opens no file. A passphrase is never an argument: others could read it.
 */
import { parseArgs } from 'node:util';
import { AgentError } from '@agentmesh/agent';

/** One command as the help shows it. */
interface CommandRule {
  /** What follows the two words. */
  readonly takes: string;
  readonly meaning: string;
  /** How many ids it takes, or one revocation. */
  readonly ids: 'none' | 'one' | 'some' | 'record';
}

/** Every command, in the order of `--help`. */
export const COMMANDS = {
  'identity show': {
    takes: '',
    meaning: 'Show name, address and fingerprint of an agent',
    ids: 'none',
  },
  'identity create': {
    takes: '',
    meaning: 'Create the keys of a new agent, and print their revocation',
    ids: 'none',
  },
  'identity revocation': {
    takes: '',
    meaning: 'Print the revocation of an identity whose keys you have',
    ids: 'none',
  },
  'identity revoke': {
    takes: ' REVOCATION --hub HOST:PORT',
    meaning: 'Revoke an identity for good: show its revocation (text or file) with these keys',
    ids: 'record',
  },
  'dead-letters list': {
    takes: '',
    meaning: 'List messages that the handlers failed on in every attempt',
    ids: 'none',
  },
  'dead-letters show': { takes: ' ID', meaning: 'Show one of them with its payload', ids: 'one' },
  'dead-letters retry': {
    takes: ' ID…',
    meaning: 'Handle them again when the agent runs',
    ids: 'some',
  },
  'dead-letters drop': { takes: ' ID…', meaning: 'Delete them', ids: 'some' },
} as const satisfies Readonly<Record<string, CommandRule>>;

/** Name of the variable that may hold the passphrase. */
export const PASSPHRASE_VARIABLE = 'AGENTMESH_PASSPHRASE';

/** The two words of a command. */
export type CommandName = keyof typeof COMMANDS;

/** What is to be done. */
export type Command =
  | { readonly name: 'help' }
  | { readonly name: 'version' }
  | {
      readonly name: CommandName;
      readonly keys: string;
      /** Ids, or the one revocation. */
      readonly ids: readonly string[];
      readonly json: boolean;
      readonly hub: string | null;
    };

const ID = /^[0-9a-f]{32}$/;

/** Reads a command line; throws BAD_OPTION with a sentence that says what to write. */
export function readCommand(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  if (values.help === true || args.length === 0) return { name: 'help' };
  if (values.version === true) return { name: 'version' };
  const [group = '', verb = '', ...ids] = positionals;
  const name = `${group} ${verb}`.trim();
  if (!isCommand(name)) throw misuse(`'${name}': no such command; see agentmesh --help`);
  checkIds(name, ids);
  const { keys, hub = null, json = false } = values;
  if (keys === undefined || keys === '') throw misuse('--keys: the key file of the agent');
  if (COMMANDS[name].ids === 'record' && hub === null) throw misuse('--hub: HOST:PORT of the hub');
  return { name, keys, ids, json, hub };
}

function parse(args: readonly string[]) {
  const options = {
    keys: { type: 'string' },
    hub: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean' },
  } as const;
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (cause) {
    const [detail = ''] = String(cause instanceof Error ? cause.message : cause).split('. ');
    throw new AgentError('BAD_OPTION', detail, cause);
  }
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}

function checkIds(name: CommandName, ids: readonly string[]): void {
  const { ids: wanted } = COMMANDS[name];
  const count = ids.length;
  const isOne = count === 1;
  const isCount = { none: count === 0, one: isOne, record: isOne, some: count > 0 }[wanted];
  if (!isCount) throw misuse(`${name}${COMMANDS[name].takes}: ${count} ids given`);
  if (wanted === 'record') return;
  const wrong = ids.find((id) => !ID.test(id));
  if (wrong !== undefined) throw misuse(`'${wrong}': an id has 32 hex digits; see the list`);
}

function misuse(detail: string): AgentError {
  return new AgentError('BAD_OPTION', detail);
}
