/**
 * `pnpm dev:cluster` from its start to its end, with real nodes and hubs.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Agent, NetworkHub } from 'agentmesh';
import { ensureProgram } from '../../../scripts/programs.mjs';
import { findNatsServer } from '../src/nats-server.js';
import { devCluster } from '../src/dev-cluster.js';
import { ClusterProcess } from './cluster-process.js';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

let cluster: ClusterProcess | null = null;
afterEach(async () => {
  await cluster?.dispose();
  cluster = null;
});

function isThere(): boolean {
  try {
    return findNatsServer() !== null;
  } catch {
    return false;
  }
}

/** Sends until the other one has it, at whatever hub both are by then. */
async function exchange(from: Party, to: Party, text: string): Promise<void> {
  const received = new Promise<void>((resolve) => {
    const stop = to.agent.onMessage((message) => {
      if (message.text !== text) return;
      stop();
      resolve();
    });
  });
  await from.agent.send(to.name, text);
  await received;
}

interface Party {
  readonly name: string;
  readonly agent: Agent;
  readonly hub: NetworkHub;
}

async function agentAt(name: string, hosts: readonly string[]): Promise<Party> {
  const hub = new NetworkHub({ hosts });
  return { name, agent: await Agent.create(name, { hub, logLevel: 'silent' }), hub };
}

describe('pnpm dev:cluster', () => {
  test('is a script of the workspace that builds and runs this package', () => {
    const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
    const { scripts } = JSON.parse(manifest) as { scripts: Record<string, string> };
    expect(scripts['dev:cluster']).toContain('--filter=@agentmesh/dev-cluster');
    expect(scripts['dev:cluster']).toMatch(/node apps\/dev-cluster\/dist\/main\.js$/);
  });
});

ensureProgram('nats-server');
if (isThere() && process.platform === 'linux') {
  describe('three nodes and two hubs', () => {
    test('serve agents on different hubs, come back when killed, and end with Ctrl-C', async () => {
      cluster = await ClusterProcess.start(['--restart']);
      const [first = '', second = ''] = cluster.hubs;
      const program = ['--input-type=module', '-e', cluster.snippet];
      const { stdout, stderr } = spawnSync(process.execPath, program, {
        cwd: PACKAGE,
        encoding: 'utf8',
        timeout: 30_000,
      });
      expect(`${stdout}${stderr}`).toContain('alice: Hello!');
      const carol = await agentAt('carol', [first]);
      const dave = await agentAt('dave', [second]);
      await exchange(carol, dave, 'from hub to hub');
      for (const name of ['nats2', 'hub2']) {
        for (const pid of cluster.pidsOf(name)) process.kill(pid, 'SIGKILL');
        await cluster.says(new RegExp(`${name} ended: SIGKILL; it is started again`));
      }
      await exchange(carol, dave, 'after both were killed');
      for (const { agent, hub } of [carol, dave]) {
        await agent.close();
        await hub.close();
      }
      const pids = cluster.pids;
      expect(pids.length).toBe(5);
      expect(await cluster.interrupt()).toBe(0);
      expect(cluster.text).toMatch(/stopped\n$/);
      expect(cluster.pids).toEqual([]);
    });

    test('end together when one of them ends, which is named', async () => {
      cluster = await ClusterProcess.start(['--nodes', '1', '--hubs', '1']);
      for (const pid of cluster.pidsOf('nats1')) process.kill(pid, 'SIGKILL');
      expect(await cluster.ended()).toBe(1);
      expect(cluster.text).toContain('nats1 ended: SIGKILL; stopping everything');
      expect(cluster.pids).toEqual([]);
    });

    test('are not begun where a port is in use', async () => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      const complaints: string[] = [];
      const folder = mkdtempSync(join(tmpdir(), 'agentmesh-dev-'));
      const code = await devCluster({
        args: ['--port', String(port), '--nats-port', '0', '--data', `/tmp/agentmesh-${port}`],
        say: () => undefined,
        complain: (text) => complaints.push(text),
        onSignal: () => undefined,
      });
      other.close();
      rmSync(folder, { recursive: true });
      expect(code).toBe(1);
      expect(complaints).toEqual([expect.stringContaining(`port ${port} is in use`)]);
    });
  });
} else {
  describe('three nodes and two hubs', () => {
    test.skip('need nats-server, which is not installed and could not be', () => {
      expect(isThere()).toBe(true);
    });
  });
}
