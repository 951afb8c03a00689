/**
 * Commands about peers, about what is on its way, and about what is wrong: with a holder and
 * without one; `rpc` and its description.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { examine } from '../src/holder/examination.js';
import { filesOf } from '../src/index.js';
import { METHODS } from '../src/control/schemas.js';
import { CommandWorld, twoAgents, until } from './command-world.js';
import type { Home } from './command-world.js';

/** Carol, whom nobody knows, has written to Alice. */
async function withStranger(world: CommandWorld, alice: Home): Promise<Home> {
  const carol = world.home('carol');
  await carol.up(['--name', 'carol', '--hub', world.hub]);
  await carol.run(['send', 'alice', 'may I?']);
  await until(async () => (await alice.json(['contacts', '--pending'])).length === 1);
  return carol;
}

describe.each(['held by up', 'held by nobody'])('people, with an agent %s', (mode) => {
  test('a stranger waits, is let in, and is verified by its fingerprint', async () => {
    await using world = await CommandWorld.create();
    const { alice, up } = await twoAgents(world);
    if (mode === 'held by nobody') await up.stop();
    const carol = await withStranger(world, alice);
    expect(await alice.json(['inbox'])).toEqual([]);
    const { stdout } = await alice.run(['contacts', '--pending']);
    expect(stdout).toContain('may I?');
    expect(await alice.run(['accept'])).toMatchObject({ status: 2 });
    expect(await alice.run(['accept', 'carol'])).toMatchObject({ status: 0 });
    expect(await alice.json(['inbox', '--wait', '60s'])).toMatchObject([{ text: 'may I?' }]);
    const [own] = await carol.json(['whoami']);
    const fingerprint = String(own?.['fingerprint']);
    const [seen] = await alice.json(['verify', 'carol']);
    expect(seen).toMatchObject({ fingerprint });
    const wrong = await alice.run(['verify', 'carol', fingerprint.replaceAll(/\d/g, '0')]);
    expect(wrong).toMatchObject({ status: 6, stderr: expect.stringContaining('BAD_FINGERPRINT') });
    const verified = await alice.json(['verify', 'carol', fingerprint]);
    expect(verified).toMatchObject([{ name: 'carol', trust: 'verified' }]);
    expect(await alice.json(['peers', '--all'])).toEqual(
      ['alice', 'bob', 'carol'].map((name) => ({ name })),
    );
    expect(await alice.run(['deny', 'carol', '--block'])).toMatchObject({ status: 0 });
    expect(await alice.json(['contacts'])).toContainEqual(
      expect.objectContaining({ name: 'carol', state: 'blocked' }),
    );
    expect(await alice.run(['accept', 'nobody'])).toMatchObject({ status: 3 });
  });
});

describe('what is on its way', () => {
  test('calls outlive commands; the outbox says what waits for the hub', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const asked = bob.run(['ask', 'alice', 'later', '--timeout', '5m']);
    const [question] = await alice.json<{ id: string }>(['inbox', '--wait', '60s']);
    await until(async () => (await bob.json(['calls'])).length === 1);
    await alice.run(['reply', question?.id ?? '', 'now']);
    expect(await asked).toMatchObject({ stdout: 'now\n' });
    expect(await bob.run(['call', '0'.repeat(32)])).toMatchObject({ status: 1 });
    await world.stopHub();
    await bob.run(['send', 'alice', 'kept', '--wait', 'queued']);
    expect(await bob.json(['outbox'])).toEqual([
      { peer: 'alice', messages: 1, sinceMs: expect.any(Number) },
    ]);
    expect((await bob.run(['outbox'])).stdout).toMatch(/^alice +1 {2}since 20\d\d-\S+Z\n$/);
    const [status] = await bob.json(['status']);
    expect(status).toMatchObject({ name: 'bob', outbox: 1, connection: 'offline' });
  });

  test('new keys under the same name: peers follow', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    await bob.run(['send', 'alice', 'before', '--wait', 'accepted']);
    const [next] = await bob.json(['rotate']);
    await bob.run(['send', 'alice', 'after', '--wait', 'accepted']);
    const mails: Record<string, unknown>[] = [];
    await until(async () => {
      mails.push(...(await alice.json(['inbox', '--wait', '60s'])));
      return mails.length === 2;
    });
    expect(mails[1]).toMatchObject({ text: 'after', fingerprint: next?.['fingerprint'] });
    expect(await bob.run(['revoke', 'nothing'])).toMatchObject({ status: 2 });
  });
});

describe('doctor', () => {
  test('finds nothing wrong with a sound agent, held or not', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    for (const home of [alice, bob]) {
      const findings = await home.json(['doctor']);
      expect(findings.filter(({ state }) => state === 'bad')).toEqual([]);
      expect(findings.map(({ check }) => check)).toContain('clock');
    }
  });

  test('says what is wrong, and what to do', async () => {
    await using world = await CommandWorld.create();
    const nobody = await world.home('nobody').run(['doctor', '--json']);
    expect(nobody).toMatchObject({ status: 1, stdout: expect.stringContaining('agentmesh up') });
    const { bob } = await twoAgents(world);
    const folder = join(bob.folder, '.agentmesh', 'default');
    await world.stopHub();
    const away = await bob.run(['doctor']);
    expect(away).toMatchObject({ status: 1, stdout: expect.stringMatching(/^BAD +hub /m) });
    expect(away.stdout).toMatch(/^ok +outbox +empty$/m);
    await bob.run(['send', 'alice', 'kept', '--wait', 'queued']);
    const files = filesOf({}, { env: { HOME: bob.folder }, cwd: bob.folder });
    const later = await examine(files, undefined, { clock: () => Date.now() + 3 * 86_400_000 });
    expect(later).toContainEqual(
      expect.objectContaining({
        check: 'outbox',
        state: 'note',
        detail: '1 wait for the hub, the oldest for 3 d',
        remedy: 'they are sent once the hub is reached',
      }),
    );
    chmodSync(join(folder, 'agent.json'), 0o644);
    expect((await bob.run(['doctor'])).stdout).toMatch(/^BAD +keys .*chmod 600/m);
    chmodSync(join(folder, 'agent.json'), 0o600);
    writeFileSync(join(folder, 'agent.settings.json'), '{}');
    expect((await bob.run(['doctor'])).stdout).toMatch(/^BAD +settings /m);
  });
});

describe('rpc', () => {
  test('does what the socket does, and refuses what is no request', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await twoAgents(world);
    const lines = [
      { jsonrpc: '2.0', id: 1, method: 'hello', params: { protocol: 1 } },
      { jsonrpc: '2.0', id: 2, method: 'whoami' },
      { jsonrpc: '2.0', id: 3, method: 'nope' },
      { jsonrpc: '2.0', id: 4, method: 'send', params: { to: 1 } },
      { id: 5 },
      [],
    ].map((value) => JSON.stringify(value));
    const stdin = `${lines.join('\n')}\nnot json\n`;
    const { stdout, status } = await bob.run(['rpc'], { stdin });
    expect(status).toBe(0);
    const answers = stdout.split('\n').filter((line) => line !== '');
    const read = answers.map((line) => JSON.parse(line) as Record<string, never>);
    const codeOf = (id: number | null) =>
      read.filter((answer) => answer['id'] === id).map(({ error }) => error?.['code']);
    expect(read.find(({ id }) => id === 2)?.['result']).toMatchObject({ name: 'bob' });
    expect([codeOf(3), codeOf(4)]).toEqual([[-32_601], [-32_602]]);
    expect(new Set(codeOf(null))).toEqual(new Set([-32_600, -32_700]));
  });

  test('describes every method, with the shapes that are checked', async () => {
    await using world = await CommandWorld.create();
    const { stdout } = await world.home('nobody').run(['rpc', '--openrpc']);
    const { methods } = JSON.parse(stdout) as { methods: { name: string; params: object[] }[] };
    expect(methods.map(({ name }) => name)).toEqual(Object.keys(METHODS));
    const send = methods.find(({ name }) => name === 'send');
    expect(send?.params).toContainEqual(expect.objectContaining({ name: 'to', required: true }));
  });
});
