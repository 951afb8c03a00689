/**
 * `rotate` and `revoke`: a new identity under the same name, and the end of one.
 * Owns what they print; both are the agent's, which tells its peers.
 */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { controlError } from '../control/error.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { printResult, withClient } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** 147 characters: 110 bytes. */
const RECORD = /^[\w-]{147}$/;

/** Adds them. */
export function addRotate(program: Command, command: CommandProcess): void {
  agentCommand(
    program,
    'rotate',
    'Change to new keys under the same name; peers follow',
    'agentmesh rotate',
  )
    .option('--give-up-unsent', 'give up messages that still wait for the hub')
    .action(async (options: CommonOptions & { readonly giveUpUnsent?: boolean }) => {
      const { giveUpUnsent } = options;
      const next = await withClient(options, command, (control) =>
        control.call('rotate', { giveUpUnsent }),
      );
      printResult(command, options, next, `fingerprint  ${next.fingerprint}\n`);
    });
  agentCommand(
    program,
    'revoke <revocation>',
    'End an identity for ever, by its revocation (text or file)',
    'agentmesh revoke alice.revocation',
  ).action(async (text: string, options: CommonOptions) => {
    const revocation = RECORD.test(text) ? text : await fileOf(text);
    await withClient(options, command, (control) => control.call('revoke', { revocation }));
    printResult(command, options, { revoked: true }, 'revoked for ever\n');
  });
}

async function fileOf(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    const detail = `'${path}': neither a revocation of 147 characters nor a file with one`;
    throw controlError('BAD_OPTION', detail, cause);
  }
}
