/**
 * `contacts`, `accept`, `deny`, `verify`, `peers`: who may write, and who is who. Owns what they
 * print and ask; decisions are the agent's.
 */
import type { Command } from 'commander';
import type { ControlContact, ControlPeer, Verification } from '../control/api.js';
import { controlError } from '../control/error.js';
import type { Control } from '../holder/open-control.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { shown } from './shown.js';
import { printResult, withClient } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Adds them. */
export function addPeople(program: Command, command: CommandProcess): void {
  addContacts(program, command);
  addAccept(program, command);
  agentCommand(
    program,
    'deny <peer>',
    'Refuse what this peer says, now and later',
    'agentmesh deny mallory',
    'agentmesh deny mallory --block',
  )
    .option('--block', 'drop it unread, and tell the peer nothing')
    .action(async (peer: string, options: CommonOptions & { readonly block?: boolean }) => {
      const { block } = options;
      await withClient(options, command, (control) => control.call('deny', { peer, block }));
      const state = block === true ? 'blocked' : 'denied';
      printResult(command, options, { peer, state }, `${state} ${peer}\n`);
    });
  addVerify(program, command);
  addPeers(program, command);
}

function addContacts(program: Command, command: CommandProcess): void {
  agentCommand(
    program,
    'contacts',
    'List peers, and strangers that wait for a decision',
    'agentmesh contacts --pending',
  )
    .option('--pending', 'only those that wait')
    .action(async (options: CommonOptions & { readonly pending?: boolean }) => {
      const { contacts } = await withClient(options, command, (control) =>
        control.call('contacts', {}),
      );
      const listed = contacts.filter(
        ({ state }) => options.pending !== true || state === 'pending',
      );
      for (const one of listed) printResult(command, options, one, contactText(one));
    });
}

/** What a stranger has written stays between its marks. */
function contactText({ name, fingerprint, trust, state, preview }: ControlContact): string {
  const line = `${name.padEnd(20)}  ${state.padEnd(8)}  ${trust.padEnd(13)}  ${fingerprint}\n`;
  return preview === null ? line : `${line}${preview}\nagentmesh accept ${name} | deny ${name}\n`;
}

function addAccept(program: Command, command: CommandProcess): void {
  agentCommand(
    program,
    'accept [peer]',
    'Let a stranger in; without a name, choose on a terminal',
    'agentmesh accept carol',
  ).action(async (peer: string | undefined, options: CommonOptions) => {
    await withClient(options, command, async (control) => {
      const chosen = peer ?? (await chosenFrom(control, command));
      await control.call('accept', { peer: chosen });
      printResult(command, options, { peer: chosen, state: 'accepted' }, `accepted ${chosen}\n`);
    });
  });
}

async function chosenFrom(control: Control, { choose = null }: CommandProcess): Promise<string> {
  const { contacts } = await control.call('contacts', {});
  const pending = contacts.filter(({ state }) => state === 'pending');
  if (pending.length === 0) throw controlError('BAD_OPTION', 'nobody waits to be let in');
  if (choose === null) throw controlError('BAD_OPTION', 'a name: agentmesh contacts --pending');
  const options = pending.map(({ name, address, fingerprint }) => ({
    value: address,
    label: `${name}  ${fingerprint}`,
  }));
  const chosen = await choose('Who is let in?', options);
  if (chosen === null) throw controlError('BAD_OPTION', 'nobody was chosen');
  return chosen;
}

function addVerify(program: Command, command: CommandProcess): void {
  agentCommand(
    program,
    'verify <peer> [fingerprint]',
    'Compare who a peer is; with the fingerprint of its owner, it is verified',
  )
    .addHelpText('after', EXAMPLES)
    .action(async (peer: string, fingerprint: string | undefined, options: CommonOptions) => {
      await withClient(options, command, async (control) => {
        const found = await control.call('verify', { peer, fingerprint });
        const known = fingerprint === undefined ? await compared(control, found, command) : found;
        printResult(command, options, known, verificationText(known));
      });
    });
}

/** On a terminal a person may say that the numbers are the same. */
async function compared(
  control: Control,
  found: Verification,
  { confirm = null }: CommandProcess,
): Promise<Verification> {
  if (found.trust === 'verified' || confirm === null) return found;
  const { name, fingerprint, safetyNumber } = found;
  const question = `Does ${name} show ${safetyNumber}, or its owner ${fingerprint}?`;
  if (!(await confirm(question))) return found;
  return control.call('verify', { peer: name, fingerprint });
}

function verificationText({ name, trust, fingerprint, safetyNumber }: Verification): string {
  return [
    `name           ${name} (${trust})`,
    `fingerprint    ${fingerprint}`,
    `safety number  ${safetyNumber}`,
    ...(trust === 'verified' ? [] : [`agentmesh verify ${name} FINGERPRINT, as its owner says it`]),
    '',
  ].join('\n');
}

function addPeers(program: Command, command: CommandProcess): void {
  agentCommand(
    program,
    'peers',
    'List the peers that are known here',
    'agentmesh peers',
    'agentmesh peers --all',
  )
    .option('--all', 'every name on the hub')
    .action(async (options: CommonOptions & { readonly all?: boolean }) => {
      if (options.all === true) {
        const { names } = await withClient(options, command, (control) =>
          control.call('names', {}),
        );
        for (const name of names) printResult(command, options, { name }, `${shown(name)}\n`);
        return;
      }
      const { peers } = await withClient(options, command, (control) => control.call('peers', {}));
      for (const peer of peers) printResult(command, options, peer, peerText(peer));
    });
}

function peerText({ name, trust, contested, fingerprint }: ControlPeer): string {
  const note = contested ? '  identity changed: agentmesh verify' : '';
  return `${name.padEnd(20)}  ${trust.padEnd(13)}  ${fingerprint}${note}\n`;
}

const EXAMPLES = `
Examples:
  agentmesh verify bob
  agentmesh verify bob 0b94:8ddf:d6fc:fc73:7905:4c43:6205:e87b`;
