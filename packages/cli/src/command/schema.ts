/**
 * `schema`: the shape of what a command prints with `--json`, as JSON Schema. Owns which command is
 * meant; the shapes are `outputs`'.
 */
import type { Command } from 'commander';
import { controlError } from '../control/error.js';
import type { CommandProcess } from './process.js';
import { withExamples } from './program.js';

/** Adds it. */
export function addSchema(program: Command, command: CommandProcess): void {
  const declared = program
    .command('schema [command...]')
    .description('Print the JSON Schema of what a command prints with --json, or of all')
    .action(async (words: readonly string[]) => {
      const { OUTPUTS, outputSchemas } = await import('./outputs.js');
      const name = words.join(' ');
      if (name !== '' && !Object.hasOwn(OUTPUTS, name)) {
        throw controlError(
          'BAD_OPTION',
          `${name}: no command that has --json; see agentmesh schema`,
        );
      }
      const schemas = outputSchemas(name === '' ? null : name);
      command.print(`${JSON.stringify(schemas, null, 2)}\n`);
    });
  withExamples(declared, ['agentmesh schema inbox', 'agentmesh schema hub agents']);
}
