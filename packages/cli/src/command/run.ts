/**
 * The `agentmesh` command from its arguments to its exit code. Owns the parser and its errors; what
 * a command does is its own file's.
 */
import { Command, CommanderError } from 'commander';
import { controlError } from '../control/error.js';
import { addDeadLetters } from './dead-letters.js';
import { addHub } from './hub.js';
import { addIdentity } from './identity.js';
import { addAsk } from './asking.js';
import { addCalls } from './calls.js';
import { addJoin } from './join.js';
import { addMcp } from './mcp.js';
import { addListen } from './listen.js';
import { addPeople } from './people.js';
import { addContract } from './contract.js';
import { addCompletion } from './completion.js';
import { addDoctor } from './doctor.js';
import { addRotate } from './rotate.js';
import { addRpc } from './rpc.js';
import { addMessages } from './messages.js';
import { fail, Interrupted } from './process.js';
import type { CommandProcess } from './process.js';
import { addSchema } from './schema.js';
import { addSkill } from './skill.js';
import { addUp } from './up.js';
import { addWhoami } from './whoami.js';

/** Runs the command; whatever goes wrong is one line on stderr and an exit code. */
export async function run(command: CommandProcess): Promise<void> {
  const program = programOf(command);
  const isJson = command.args.includes('--json');
  try {
    if (command.args.length === 0) return program.outputHelp();
    await program.parseAsync([...command.args], { from: 'user' });
  } catch (error) {
    if (error instanceof Interrupted) return command.exit(error.exitCode);
    if (!(error instanceof CommanderError)) return fail(command, error, isJson);
    if (error.exitCode === 0) return;
    const isGroup = error.code === 'commander.help';
    const text = isGroup ? 'give one of its commands' : error.message.replace(/^error: /, '');
    const help = `${meantBy(command.args, program)} --help`;
    fail(command, controlError('BAD_OPTION', `${text}; see ${help}`), isJson);
  }
}

/** The command that arguments begin with, as it is typed. */
function meantBy([first, ...rest]: readonly string[], within: Command): string {
  const next = within.commands.find((one) => one.name() === first);
  return next === undefined ? within.name() : `${within.name()} ${meantBy(rest, next)}`;
}

const TAIL = `
An agent lives in a profile: the folder .agentmesh/<profile> in the nearest .agentmesh of the
working folder or one above it, else in that of your home folder. AGENTMESH_PROFILE names the
profile, AGENTMESH_PASSPHRASE the passphrase of a protected key file, which is asked for on a
terminal. While agentmesh up runs, or a program that serves its agent, commands go through it; else
each command opens the agent for itself.

Exit codes: 0 done, 1 failed, 2 misused, 3 no such peer, 4 refused by the peer, 5 timed out,
6 identity changed or not accepted, 7 hub not reachable, 75 try again,
130 and 143 ended by a signal.`;

/** The whole command line. */
export function programOf(command: CommandProcess): Command {
  const program = new Command('agentmesh')
    .description('End-to-end encrypted messages between agents')
    .version(command.version)
    .exitOverride()
    .showSuggestionAfterError(true)
    .addHelpText('after', TAIL)
    .configureOutput({
      writeOut: (text) => command.print(text),
      writeErr: () => undefined,
    });
  addUp(program, command);
  addJoin(program, command);
  addMessages(program, command);
  addAsk(program, command);
  addListen(program, command);
  addPeople(program, command);
  addCalls(program, command);
  addWhoami(program, command);
  addDeadLetters(program, command);
  addIdentity(program, command);
  addHub(program, command);
  addContract(program, command);
  addMcp(program, command);
  addSkill(program, command);
  addRotate(program, command);
  addDoctor(program, command);
  addRpc(program, command);
  addSchema(program, command);
  addCompletion(program, command);
  return program;
}
