/**
 * The guides for operators and for coding agents: every block of commands in them is run, and what
 * they list is what is there.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { blocksOf, guide } from '../../../scripts/guide.mjs';
import { CodingWorld } from './coding-agents.js';
import type { Running } from './coding-agents.js';

jest.setTimeout(300_000);

/** First cells of the rows of every table that begins with this head. */
function firstCells(markdown: string, head: string): string[] {
  const rows = markdown.split('\n').filter((line) => line.startsWith('| '));
  const from = rows.findIndex((line) => line.startsWith(`| ${head}`));
  return rows.slice(from + 1).map((line) => (line.split('|')[1] ?? '').trim().replaceAll('`', ''));
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

describe('docs/operating.md', () => {
  /** A hub with the command of the guide, on any free port. */
  async function startHub(world: CodingWorld, command: string): Promise<[Running, string]> {
    const hub = world.start('operator', command, { AGENTMESH_PORT: '0' });
    const port = /"port":(\d+),"hubKey"/;
    await until(() => Promise.resolve(port.test(hub.said.stdout)));
    return [hub, `127.0.0.1:${port.exec(hub.said.stdout)?.[1] ?? ''}`];
  }

  test('every block runs, in its order', async () => {
    await using world = await CodingWorld.create();
    const [first, ...blocks] = blocksOf(guide('operating.md'), 'sh');
    const [hub, address] = await startHub(world, first?.code ?? '');
    const { stdout: token } = await world.run(
      'operator',
      'agentmesh hub token new --data ./hub-data',
    );
    for (const name of ['alice', 'bob', 'mallory', 'carol']) {
      await world.up(name, `${address} --token ${token.trim()}`);
    }
    const setting = 'export AGENTMESH_DATA=./hub-data\n';
    let commands = 0;
    for (const { note, code } of blocks) {
      if (note.startsWith('not run')) continue;
      // A name is freed of an agent that is gone.
      if (code.includes('hub free'))
        await world.run('operator', `${setting}agentmesh hub ban carol`);
      if (code.includes('hub kick')) await world.run('alice', 'agentmesh send bob "hello"');
      if (note === 'restores') {
        await hub.stop();
        const [again] = await startHub(world, code);
        const restored = await world.run('operator', 'agentmesh hub agents --data ./restored');
        for (const name of ['alice', 'bob', 'mallory']) expect(restored.stdout).toContain(name);
        await again.stop();
        await startHub(world, first?.code ?? '');
        continue;
      }
      const result = await world.run('operator', `set -e\n${setting}${code}`);
      expect({ code, ...result }).toEqual({
        code,
        status: 0,
        stdout: expect.anything(),
        stderr: '',
      });
      commands += 1;
    }
    expect(commands).toBeGreaterThan(6);
  });
});

describe('docs/coding-agents.md', () => {
  const text = guide('coding-agents.md');

  test('every block of commands runs', async () => {
    await using world = await CodingWorld.create();
    mkdirSync(join(world.home('me'), '.claude'));
    world.program('npm', 'echo "$@"');
    world.program('claude', 'echo "$@"');
    for (const { code } of blocksOf(text, 'sh')) {
      const result = await world.run('me', `set -e\n${code}`);
      expect({ code, ...result }).toEqual({
        code,
        status: 0,
        stdout: expect.anything(),
        stderr: '',
      });
    }
  });

  test('the file of servers starts one, with the tools of the table', async () => {
    await using world = await CodingWorld.create();
    await world.up('me');
    const [config] = blocksOf(text, 'json');
    const { mcpServers } = JSON.parse(config?.code ?? '') as {
      mcpServers: { agentmesh: { command: string; args: string[] } };
    };
    const { command, args } = mcpServers.agentmesh;
    const requests = [
      {
        id: 1,
        method: 'initialize',
        params: {
          protocolVersion: '2025-06-18',
          capabilities: {},
          clientInfo: { name: 'test', version: '1' },
        },
      },
      { method: 'notifications/initialized' },
      { id: 2, method: 'tools/list' },
    ].map((request) => JSON.stringify({ jsonrpc: '2.0', ...request }));
    const says = requests.map((request) => `echo '${request}'`).join('; ');
    const server = world.start('me', `{ ${says}; sleep 60; } | ${command} ${args.join(' ')}`);
    const lines = (): string[] => server.said.stdout.split('\n').filter((line) => line !== '');
    await until(() => Promise.resolve(lines().length === 2));
    const { result } = JSON.parse(lines()[1] ?? '') as { result: { tools: { name: string }[] } };
    const names = result.tools.map(({ name }) => name);
    expect(
      firstCells(text, 'Tool')
        .filter((cell) => !cell.startsWith('---'))
        .toSorted(),
    ).toEqual(names.toSorted());
  });

  test('its hooks print mail once there is some, and nothing before', async () => {
    await using world = await CodingWorld.create();
    const { invite } = await world.up('me');
    await world.run('bob', `agentmesh join ${invite} --name bob`);
    const [, settings] = blocksOf(text, 'json');
    const { hooks } = JSON.parse(settings?.code ?? '') as {
      hooks: Record<string, [{ hooks: [{ command: string }] }]>;
    };
    const commands = Object.values(hooks).map(([{ hooks: own }]) => own[0].command);
    expect(commands).toHaveLength(3);
    for (const command of commands) {
      const nothing = { status: 0, stdout: '', stderr: '' };
      expect(await world.run('me', `echo '{}' | ${command}`)).toEqual(nothing);
      // Where there is no agent, a hook is in nobody's way.
      expect(await world.run('nobody', `echo '{}' | ${command}`)).toEqual(nothing);
    }
    await world.run('bob', 'agentmesh send me "please look"');
    await until(async () => (await world.run('me', 'agentmesh inbox --peek')).stdout !== '');
    const [session = '', prompt = '', stop = ''] = commands;
    for (const command of [session, prompt]) {
      const { stdout } = await world.run('me', `echo '{}' | ${command}`);
      expect(stdout).toMatch(/^A message waits in your AgentMesh inbox\./);
      expect(stdout).toMatch(/⟦begin ([0-9a-f]{16})⟧\nplease look\n⟦end \1⟧/);
    }
    const { stdout: decision } = await world.run('me', `echo '{}' | ${stop}`);
    const said = JSON.parse(decision) as { decision: string; reason: string };
    expect(said.decision).toBe('block');
    expect(said.reason).toContain('please look');
    // Once: an agent that goes on already may end.
    const again = await world.run('me', `echo '{"stop_hook_active":true}' | ${stop}`);
    expect(again).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});
