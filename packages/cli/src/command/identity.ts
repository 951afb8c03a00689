/**
 * `identity …`: the keys of an agent, and their end. Owns the parsing; the work is
 * `identity-work`'s, which is loaded when it is asked for.
 */
import type { Command } from 'commander';
import { controlError } from '../control/error.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { filesFor, PASSPHRASE_VARIABLE, withPassphrase } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Adds them. */
export function addIdentity(program: Command, command: CommandProcess): void {
  const group = program.command('identity').description('Keys of an agent, and their end');
  const { print } = command;
  agentCommand(
    group,
    'show',
    'Show name, address and fingerprint of an agent',
    'agentmesh identity show',
    'agentmesh identity show --keys .keys/alice.json',
  ).action(async (options: CommonOptions) => {
    const { showIdentity } = await import('./identity-work.js');
    await onKeys(options, command, (subject) => showIdentity(subject, print));
  });
  agentCommand(
    group,
    'create',
    'Create the keys of a new agent, and print their revocation',
    'agentmesh identity create --keys .keys/alice.json',
  ).action(async (options: CommonOptions) => {
    const { createIdentity } = await import('./identity-work.js');
    const given = command.env[PASSPHRASE_VARIABLE];
    const passphrase = given === '' ? undefined : given;
    await createIdentity({ ...subjectOf(options, command), passphrase }, print);
  });
  agentCommand(
    group,
    'revocation',
    'Print the revocation of an identity whose keys you have',
    'agentmesh identity revocation > alice.revocation',
  ).action(async (options: CommonOptions) => {
    const { showRevocation } = await import('./identity-work.js');
    await onKeys(options, command, (subject) => showRevocation(subject, print));
  });
  agentCommand(
    group,
    'revoke <revocation>',
    'Revoke an identity for good: show its revocation (text or file) with these keys',
    'agentmesh identity revoke alice.revocation --keys .keys/bob.json --hub hub.example:7700',
  )
    .option('--hub <address>', 'where it is shown: HOST:PORT, or a URL')
    .action(async (record: string, options: CommonOptions & { readonly hub?: string }) => {
      const { hub } = options;
      if (hub === undefined) throw controlError('BAD_OPTION', '--hub: HOST:PORT of the hub');
      const { revokeIdentity } = await import('./identity-work.js');
      await onKeys(options, command, (subject) => revokeIdentity(subject, { record, hub }, print));
    });
}

function subjectOf(options: CommonOptions, command: CommandProcess) {
  const { keys, store, socket } = filesFor(options, command);
  return { keys, store, socket, json: options.json === true };
}

async function onKeys(
  options: CommonOptions,
  command: CommandProcess,
  work: (
    subject: ReturnType<typeof subjectOf> & { readonly passphrase: string | undefined },
  ) => Promise<void>,
): Promise<void> {
  const subject = subjectOf(options, command);
  await withPassphrase(subject.keys, command, (passphrase) => work({ ...subject, passphrase }));
}
