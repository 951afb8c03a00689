/**
 * What tests of bad input share: one of each kind of command, what a refusal looks like, and a
 * message that must not be lost. Owns these.
 */
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { Mail } from '../src/index.js';
import { twoAgents } from './command-world.js';
import type { CommandWorld, Home } from './command-world.js';

export const NO_ID = '0'.repeat(32);

/** One of each kind of command that uses an agent; `LINK` stands for an invite. */
export const COMMANDS: readonly (readonly string[])[] = [
  ['whoami'],
  ['status'],
  ['send', 'alice', 'x'],
  ['ask', 'alice', 'x'],
  ['ask', 'alice', 'x', '--stream'],
  ['inbox'],
  ['reply', NO_ID, 'x'],
  ['ack', NO_ID],
  ['refuse', NO_ID, '--reason', 'x'],
  ['listen'],
  ['listen', '--exec', 'true'],
  ['contacts'],
  ['accept', 'alice'],
  ['deny', 'alice'],
  ['verify', 'alice'],
  ['peers'],
  ['peers', '--all'],
  ['calls'],
  ['call', NO_ID],
  ['outbox'],
  ['invite'],
  ['join', 'LINK'],
  ['rotate'],
  ['revoke', 'A'.repeat(147)],
  ['dead-letters', 'list'],
  ['dead-letters', 'show', NO_ID],
  ['dead-letters', 'retry', NO_ID],
  ['dead-letters', 'drop', NO_ID],
  ['up'],
  ['rpc'],
  ['hook', 'prompt'],
];

/** Commands without `--json`: what they print has a form of its own. */
const PLAIN: ReadonlySet<string> = new Set(['rpc', 'hook']);

/** What a command says where something is wrong. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
}

/** One line with the code and what to do, nothing on standard output, and the same as JSON. */
export async function expectRefusal(
  home: Home,
  args: readonly string[],
  refusal: Refusal,
): Promise<void> {
  const { status, code } = refusal;
  const [name = ''] = args;
  const said = await home.run(args);
  expect({ args, ...said }).toEqual({ args, status, stdout: '', stderr: expect.any(String) });
  expect(said.stderr).toMatch(new RegExp(`^agentmesh: [^\\n]+\\[${code}\\]\\n$`));
  if (PLAIN.has(name)) return;
  const asJson = await home.run([...args, '--json']);
  expect({ args, ...asJson }).toMatchObject({ status, stdout: '' });
  const report = JSON.parse(asJson.stderr) as { message: string; remedy: string | null };
  expect(report).toMatchObject({ code, retryable: expect.any(Boolean) });
  // Whoever reads the line finds what to do in it.
  expect({ code, says: `${report.message} ${report.remedy ?? ''}` }).toEqual({
    code,
    says: expect.stringMatching(/agentmesh |chmod|remove|restart|stop |write |run |ask |paste /),
  });
}

export const socketOf = (home: Home): string =>
  join(home.folder, '.agentmesh', 'default', 'agent.sock');
export const keysOf = (home: Home): string =>
  join(home.folder, '.agentmesh', 'default', 'agent.json');

/** Alice is up and has written to Bob, who has not looked; and an invite. */
export async function waitingMail(world: CommandWorld): Promise<{
  readonly alice: Home;
  readonly bob: Home;
  readonly commands: readonly (readonly string[])[];
}> {
  const { alice, bob } = await twoAgents(world);
  await alice.run(['send', 'bob', 'waits']);
  const [invite] = await alice.json(['invite']);
  const link = String(invite?.['link']);
  const commands = COMMANDS.map((args) => args.map((word) => (word === 'LINK' ? link : word)));
  return { alice, bob, commands };
}

/** Once it is mended, the message is there, and everything goes on. */
export async function expectNothingLost(bob: Home): Promise<void> {
  const [mail] = await bob.json<Mail>(['inbox', '--wait', '60s']);
  expect(mail).toMatchObject({ text: 'waits' });
  expect(await bob.run(['reply', mail?.id ?? '', 'seen'])).toMatchObject({ status: 0 });
}
