/**
 * The commands of docs/clustering.md, typed as they are printed there: only ports are others.
 */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Agent } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';
import { ensureProgram } from '../../../../scripts/programs.mjs';
import { hasNats } from './nats-process.js';
import { Shell, shellBlocks } from './shell.js';

const guide = readFileSync(new URL('../../../../docs/clustering.md', import.meta.url), 'utf8');
const PORTS = ['422', '622', '822', '770'];

const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

async function openShell(): Promise<Shell> {
  const shell = await Shell.open(PORTS);
  endings.push(() => shell.close());
  return shell;
}

async function agentAt(name: string, ports: readonly number[]): Promise<Agent> {
  const hub = new NetworkHub({ hosts: ports.map((port) => `127.0.0.1:${port}`) });
  const agent = await Agent.create(name, { hub, logLevel: 'silent' });
  endings.push(async () => {
    await agent.close();
    await hub.close();
  });
  return agent;
}

/** Resolves when one agent has a text of the other. */
async function exchange(from: Agent, to: Agent, text: string): Promise<void> {
  const received = new Promise<void>((resolve) => {
    const stop = to.onMessage((message) => {
      if (message.text !== text) return;
      stop();
      resolve();
    });
  });
  await from.send('bob', text);
  await received;
}

const can = hasNats() && ensureProgram('curl') !== null;
const suite = can ? describe : describe.skip;

suite('docs/clustering.md', () => {
  test('three nodes and two hubs by hand serve agents while one of each is killed', async () => {
    const shell = await openShell();
    const blocks = shellBlocks(guide, 'By hand, on one machine');
    expect(blocks).toHaveLength(7);
    const [write = '', old = '', nodes = '', hubs = '', kill = '', again = '', stop = ''] = blocks;
    for (const block of [write, old, nodes, hubs]) await shell.type(block);
    const ports = [7701, 7702].map((port) => shell.port(port));
    const alice = await agentAt('alice', ports.toSpliced(1));
    const bob = await agentAt('bob', ports.toReversed());
    await exchange(alice, bob, 'by hand');
    await shell.type(kill);
    await exchange(alice, bob, 'after the crash');
    await shell.type(again);
    await exchange(alice, bob, 'after the return');
    await shell.type(stop);
    const left = await shell.type('jobs -r');
    expect(left.split('\n')).toHaveLength(2);
  });

  test('TLS, accounts and credentials as printed let the hub in, and nobody else', async () => {
    const shell = await openShell();
    const [certificates = '', access = '', hub = ''] = shellBlocks(
      guide,
      'Access: TLS, accounts, credentials',
    );
    const node = [
      'cat > node.conf <<CONF',
      'listen: "127.0.0.1:4221"',
      'max_payload: 2MB',
      'jetstream { store_dir: "$PWD/nats" }',
      'include access.conf',
      'CONF',
      'nats-server -c node.conf -l node.log &',
      'sleep 1',
    ];
    for (const block of [certificates, access, node.join('\n')]) await shell.type(block);
    await shell.type(hub);
    const alice = await agentAt('alice', [shell.port(7703)]);
    const bob = await agentAt('bob', [shell.port(7703)]);
    await exchange(alice, bob, 'over TLS');
    const [secret = '', command = ''] = hub.split('\n');
    const [start = ''] = command.split(' > ');
    const wrong = `${secret.replace('change%20me', 'guessed')}\n${start} 2>&1 || true`;
    expect(await shell.type(wrong)).toContain('agentmesh-hub: NATS refuses these credentials');
  });
});

if (!can) {
  describe('docs/clustering.md', () => {
    test.skip('needs nats-server and curl, which are not installed and could not be', () => {
      expect(can).toBe(true);
    });
  });
}
