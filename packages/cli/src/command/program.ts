/**
 * How commands are declared: their common options, and what is asked of the parser. Owns that; what
 * a command does is its own file's.
 */
import type { Command } from 'commander';

/** A command of an agent: with the options that name the agent, and `--json`. */
export function agentCommand(
  program: Command,
  usage: string,
  summary: string,
  ...examples: readonly string[]
): Command {
  const declared = streamCommand(program, usage, summary).option(
    '--json',
    'print JSON, one object a line',
  );
  return withExamples(declared, examples);
}

/** A command of an agent whose output has a form of its own. */
export function streamCommand(
  program: Command,
  usage: string,
  summary: string,
  ...examples: readonly string[]
): Command {
  const declared = program
    .command(usage)
    .description(summary)
    .option('--profile <name>', 'which agent of yours (default: $AGENTMESH_PROFILE, or default)')
    .option('--keys <file>', 'the agent of this key file, instead of a profile');
  return withExamples(declared, examples);
}

/** Shows commands that can be typed as they stand, below the help of one. */
export function withExamples(declared: Command, examples: readonly string[]): Command {
  if (examples.length === 0) return declared;
  return declared.addHelpText(
    'after',
    `\nExamples:\n${examples.map((one) => `  ${one}`).join('\n')}`,
  );
}
