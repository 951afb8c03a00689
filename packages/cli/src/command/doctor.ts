/**
 * `doctor`: looks at everything that may be wrong, and says what to do. Owns what is printed; the
 * looking is `holder/examination`'s, which is loaded when it is asked for.
 */
import type { Command } from 'commander';
import type { Finding } from '../holder/examination.js';
import type { CommandProcess } from './process.js';
import { closing, EXIT } from './process.js';
import { agentCommand } from './program.js';
import { shown } from './shown.js';
import { filesFor, printResult, withPassphrase } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Adds it. */
export function addDoctor(program: Command, command: CommandProcess): void {
  agentCommand(
    program,
    'doctor',
    'Look for what is wrong with this agent, and say what to do',
    'agentmesh doctor',
  ).action(async (options: CommonOptions) => {
    const files = filesFor(options, command);
    const { examine } = await import('../holder/examination.js');
    const findings = await closing(command, (signal) =>
      withPassphrase(files.keys, command, (passphrase) => examine(files, passphrase, { signal })),
    );
    for (const finding of findings) printResult(command, options, finding, lineOf(finding));
    if (findings.some(({ state }) => state === 'bad')) command.exit(EXIT.failed);
  });
}

function lineOf({ state, check, detail, remedy }: Finding): string {
  const mark = { good: 'ok  ', note: 'note', bad: 'BAD ' }[state];
  const advice = remedy === null ? '' : `; ${remedy}`;
  return shown(`${mark}  ${check.padEnd(12)}  ${detail}${advice}`, '') + '\n';
}
