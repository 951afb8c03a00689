/**
 * Every command that has `--json` prints what its schema says, and the schemas are published: by
 * `agentmesh schema`, as JSON Schema. The comparison itself is done for every command that any test
 * runs with `--json`, in `command-world`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import type { Command } from 'commander';
import { OUTPUTS } from '../src/command/outputs.js';
import { programOf } from '../src/command/run.js';
import type { Mail } from '../src/index.js';
import { compared, Home, until } from './command-world.js';
import { HubProcess } from './hub-process.js';
import { nobody } from './nobody.js';

jest.setTimeout(240_000);

/** Commands with `--json`, by their words. */
function jsonCommands(group: Command, path: readonly string[]): string[] {
  return group.commands.flatMap((each) => {
    const words = [...path, each.name()];
    const isOne = each.options.some(({ long }) => long === '--json');
    return [...(isOne ? [words.join(' ')] : []), ...jsonCommands(each, words)];
  });
}

test('every command with --json has a schema, and no other', () => {
  expect(jsonCommands(programOf(nobody), []).toSorted()).toEqual(Object.keys(OUTPUTS).toSorted());
});

test('schemas are printed as JSON Schema', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'am-'));
  try {
    const home = new Home(folder);
    const all = JSON.parse((await home.run(['schema'])).stdout) as Record<string, object>;
    expect(Object.keys(all['commands'] ?? {})).toEqual(Object.keys(OUTPUTS));
    expect(all['error']).toMatchObject({ required: ['code', 'retryable', 'message', 'remedy'] });
    const one = JSON.parse((await home.run(['schema', 'hub', 'agents'])).stdout) as object;
    expect(one).toMatchObject({ type: 'object', properties: { listed: { type: 'boolean' } } });
    const none = await home.run(['schema', 'completion']);
    expect(none).toMatchObject({ status: 2, stdout: '' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('every command prints what its schema says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'am-'));
  const data = join(folder, 'hub');
  const hub = await HubProcess.start(data, ['--registration', 'token']);
  const [alice, bob, carol, operator] = ['alice', 'bob', 'carol', 'operator'].map(
    (name) => new Home(join(folder, name)),
  ) as [Home, Home, Home, Home];
  try {
    const token = (await operator.json(['hub', 'token', 'new', '--data', data]))[0]?.['token'];
    const up = ['--hub', hub.address, '--token', String(token), '--json'];
    const holder = alice.start(['up', '--name', 'alice', ...up]);
    await until(() => holder.said.stdout !== '');
    await alice.json(['up']);
    const [invite] = await alice.json(['invite']);
    await bob.json(['join', String(invite?.['link']), '--name', 'bob']);
    await messages(alice, bob);
    await strangers(alice, carol, ['--name', 'carol', ...up]);
    await operating(operator, data, folder);
    await identities(alice, bob, hub.address);
    await holder.stop();
    await hub.kill();
    await carol.json(['send', 'alice', 'later', '--wait', 'queued']);
    await carol.json(['outbox']);
    expect([...compared].toSorted()).toEqual(Object.keys(OUTPUTS).toSorted());
  } finally {
    await Promise.all([alice, bob, carol].map((home) => home.close()));
    await hub.kill();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** What two agents say to each other. */
async function messages(alice: Home, bob: Home): Promise<void> {
  await bob.json(['send', 'alice', 'one']);
  for (const text of ['two', 'three']) await bob.json(['send', 'alice', text]);
  const mails: Mail[] = [];
  await until(async () => {
    mails.push(...(await alice.json<Mail>(['inbox', '--wait', '60s'])));
    return mails.length === 3;
  });
  const [one = '', two = '', three = ''] = mails.map(({ id }) => id);
  await alice.json(['reply', one, 'yes']);
  await alice.json(['ack', two]);
  await alice.json(['refuse', three, '--reason', 'no']);
  const asked = bob.start(['ask', 'alice', 'why?', '--json', '--timeout', '2m']);
  const [question] = await alice.json<Mail>(['inbox', '--wait', '60s']);
  const [open] = await bob.json<{ id: string }>(['calls']);
  await bob.json(['call', open?.id ?? '']);
  await alice.json(['reply', question?.id ?? '', '--data', '{"because":1}']);
  expect((await asked.ended).status).toBe(0);
  // Five failed attempts of a program make a dead letter.
  const listening = alice.start(['listen', '--exec', 'exit 1', '--json'], {
    env: { PATH: '/usr/bin:/bin' },
  });
  for (const text of ['never', 'ever']) {
    await bob.run(['send', 'alice', text, '--wait', 'handled', '--json']);
  }
  await listening.stop();
  const letters = await alice.json<{ id: string }>(['dead-letters', 'list']);
  expect(letters).toHaveLength(2);
  const [kept, gone] = letters.map(({ id }) => id);
  await alice.json(['dead-letters', 'show', kept ?? '']);
  await alice.json(['dead-letters', 'drop', gone ?? '']);
  await alice.json(['dead-letters', 'retry', kept ?? '']);
  const printing = alice.start(['listen', '--json']);
  await until(() => printing.said.stdout !== '');
  await printing.stop();
  await bob.run(['send', 'nobody', 'x', '--json']);
}

/** Somebody whom nobody knows. */
async function strangers(alice: Home, carol: Home, up: readonly string[]): Promise<void> {
  const holder = carol.start(['up', ...up]);
  await until(() => holder.said.stdout !== '');
  await carol.json(['send', 'alice', 'may I?']);
  await until(async () => (await alice.json(['contacts', '--pending'])).length > 0);
  await alice.json(['accept', 'carol']);
  await alice.json(['verify', 'carol']);
  await alice.json(['deny', 'carol']);
  await alice.json(['skill', 'install', '--for', 'claude']);
  const contract = { id: 'a@1', operations: { b: { kind: 'event', input: {} } } };
  writeFileSync(join(alice.folder, 'a.json'), JSON.stringify(contract));
  await alice.json(['contract', 'add', 'a.json']);
  await alice.json(['contract', 'list']);
  await alice.json(['contract', 'remove', 'a@1']);
  await alice.json(['peers']);
  await alice.json(['peers', '--all']);
  await holder.stop();
  await alice.json(['send', 'carol', 'for later']);
}

/** Keys, their change and their end. */
async function identities(alice: Home, bob: Home, hub: string): Promise<void> {
  for (const one of ['whoami', 'status']) await alice.json([one]);
  // The operator has cut its connection: it comes back.
  await until(async () => (await alice.json(['status']))[0]?.['connection'] === 'online');
  await alice.json(['doctor']);
  await bob.json(['identity', 'show']);
  const [made] = await bob.json(['identity', 'create', '--keys', 'other.json']);
  expect(await bob.json(['identity', 'revocation', '--keys', 'other.json'])).toMatchObject([
    { address: made?.['address'] },
  ]);
  await bob.json(['rotate']);
  const [own] = await bob.json(['identity', 'revocation']);
  const text = String(own?.['revocation']);
  // Somebody else shows it, and shows it again.
  await alice.json(['revoke', text]);
  await alice.close();
  await alice.json(['identity', 'revoke', text, '--hub', hub]);
}

/** The operator's commands. */
async function operating(operator: Home, data: string, folder: string): Promise<void> {
  const hub = (...args: string[]) => operator.json(['hub', ...args, '--data', data]);
  for (const one of ['status', 'agents', 'queues']) await hub(one);
  await hub('show', 'alice');
  await hub('kick', 'alice');
  await hub('ban', 'carol');
  await hub('banned');
  await hub('unban', 'carol');
  await hub('purge', 'carol');
  await hub('backup', join(folder, 'copy.db'));
  // A name is freed of an agent that is gone.
  await hub('free', 'carol');
}
