/**
 * `agentmesh hub …` against a real hub process, with agents that are commands too: what it prints,
 * for people and for machines, and how it fails.
 */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Home, until } from './command-world.js';
import { HubProcess } from './hub-process.js';

jest.setTimeout(120_000);

/** A hub in a folder of its own, an operator, and homes for agents. */
class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'am-'));
  readonly data = join(this.folder, 'data');
  readonly operator = new Home(join(this.folder, 'operator'));
  readonly #homes: Home[] = [];
  readonly #hubs: HubProcess[] = [];

  async hub(args: readonly string[] = [], data = this.data): Promise<HubProcess> {
    const hub = await HubProcess.start(data, args);
    this.#hubs.push(hub);
    return hub;
  }

  /** An agent that is up on a hub. */
  async agent(name: string, hub: HubProcess, args: readonly string[] = []): Promise<Home> {
    const home = new Home(join(this.folder, name));
    this.#homes.push(home);
    await home.up(['--name', name, '--hub', hub.address, ...args]);
    return home;
  }

  /** Runs a command of the operator, who names the hub by its folder. */
  run(...args: string[]) {
    return this.operator.run(['hub', ...args, '--data', this.data]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#homes.map((home) => home.close()));
    await Promise.all(this.#hubs.map((hub) => hub.kill()));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

afterEach(() => void jest.restoreAllMocks());

describe('agentmesh hub', () => {
  test('lists agents and queues, and shows one agent', async () => {
    await using world = new World();
    const hub = await world.hub();
    const alice = await world.agent('alice', hub);
    const bob = await world.agent('bob', hub);
    const [who] = await bob.json(['whoami']);
    await bob.close();
    await until(async () => (await alice.run(['send', 'bob', 'hello'])).status === 0);
    const agents = await world.run('agents');
    expect(agents.stdout).toMatch(/^am2\S{52}\s+connected\s+0 queued\s+alice$/m);
    expect(agents.stdout).toMatch(/^am2\S{52}\s+away\s+\d+ queued\s+bob$/m);
    const { stdout } = await world.run('queues', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ name: 'bob', connected: false });
    const page = await world.run('show', 'bob');
    expect(page.stdout).toContain(`address    ${String(who?.['address'])}`);
    expect(page.stdout).toContain('registered, away');
    expect(page.stdout).toMatch(/of alice, \d+ bytes/);
    const status = await world.run('status', '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({ port: hub.port, agents: 2 });
    const purged = await world.run('purge', 'bob');
    expect(purged.stdout).toMatch(/^[1-9]\d* messages removed\n$/);
  });

  test('kicks an agent, which comes back; bans one, which does not; frees its name', async () => {
    await using world = new World();
    const hub = await world.hub();
    const alice = await world.agent('alice', hub);
    expect(await world.run('kick', 'alice')).toMatchObject({ status: 0, stdout: 'disconnected\n' });
    const isThere = async () => {
      const { stdout } = await world.run('agents', '--json');
      return (JSON.parse(stdout) as { connected: boolean }).connected;
    };
    await until(isThere);
    const free = await world.run('free', 'alice');
    expect(free).toMatchObject({ status: 1, stdout: '' });
    expect(free.stderr).toMatch(/^agentmesh: [^\n]*ban it first[^\n]*\[STILL_CONNECTED\]\n$/);
    expect((await world.run('ban', 'alice')).stdout).toMatch(/^banned am2/);
    expect(await isThere()).toBe(false);
    const isEnded = async () => (await alice.json(['whoami']))[0]?.['connection'] === 'ended';
    await until(isEnded);
    expect((await world.run('banned')).stdout).toMatch(/^am2\S+ {2}alice, \d{4}-/);
    expect((await world.run('free', 'alice')).stdout).toMatch(/^free; if am2/);
    const other = new Home(join(world.folder, 'other'));
    await other.up(['--name', 'alice', '--hub', hub.address]);
    await other.close();
  });

  test('makes a token with which an agent registers', async () => {
    await using world = new World();
    const hub = await world.hub(['--registration', 'token']);
    const { stdout } = await world.run('token', 'new');
    const token = stdout.trim();
    await expect(world.agent('bob', hub, ['--token', 'wrong-token'])).rejects.toThrow(
      'REGISTRATION_REFUSED',
    );
    await world.agent('carol', hub, ['--token', token]);
  });

  test('copies a running hub; another one starts with the copy', async () => {
    await using world = new World();
    const hub = await world.hub();
    await world.agent('alice', hub);
    // A relative name is one of the folder where the command runs.
    const { stdout } = await world.run('backup', 'copy.db', '--json');
    const { file, bytes } = JSON.parse(stdout) as { file: string; bytes: number };
    expect(file).toBe(join(world.operator.folder, 'copy.db'));
    expect(statSync(file).size).toBe(bytes);
    const again = await world.run('backup', 'copy.db');
    expect(again).toMatchObject({ status: 1, stdout: '' });
    expect(again.stderr).toContain('exists: choose another name');
    const restored = join(world.folder, 'restored');
    mkdirSync(restored, { mode: 0o700 });
    copyFileSync(file, join(restored, 'hub.db'));
    await world.hub([], restored);
    const agents = await world.operator.run(['hub', 'agents', '--data', restored]);
    expect(agents.stdout).toContain('alice');
  });

  test('finds the hub that agentmesh up runs', async () => {
    await using world = new World();
    const home = new Home(join(world.folder, 'home'));
    const up = await home.up(['--name', 'alice']);
    const { stdout } = await home.run(['hub', 'agents']);
    expect(stdout).toContain('alice');
    await home.run(['hub', 'ban', 'alice']);
    const { stdout: banned } = await home.run(['hub', 'banned']);
    expect(banned).toContain('alice');
    await up.stop();
    expect((await home.run(['hub', 'agents'])).status).toBe(7);
  });
});

describe('agentmesh hub fails in one line', () => {
  test('without a hub, and where one was killed: code 7', async () => {
    await using world = new World();
    const none = await world.run('agents');
    expect(none).toMatchObject({ status: 7, stdout: '' });
    expect(none.stderr).toMatch(/^agentmesh: No hub runs[^\n]*\[HUB_NOT_RUNNING\]\n$/);
    const hub = await world.hub();
    await hub.kill();
    expect(statSync(join(world.data, 'hub.sock')).isSocket()).toBe(true);
    const killed = await world.run('agents', '--json');
    expect(killed.status).toBe(7);
    expect(JSON.parse(killed.stderr)).toMatchObject({ code: 'HUB_NOT_RUNNING', retryable: true });
  });

  test('for an agent that is not there: code 3; for a wrong command line: code 2', async () => {
    await using world = new World();
    await world.hub();
    for (const verb of ['show', 'kick', 'ban', 'free', 'purge']) {
      const result = await world.run(verb, 'nobody');
      expect(result).toMatchObject({ status: 3, stdout: '' });
      expect(result.stderr).toMatch(/^agentmesh: [^\n]*nobody[^\n]*\[NO_SUCH_AGENT\]\n$/);
    }
    for (const args of [['show'], ['nothing'], ['queues', '--max', 'x'], ['token'], []]) {
      const { status, stderr } = await world.operator.run(['hub', ...args]);
      expect({ args, status }).toEqual({ args, status: 2 });
      expect(stderr).toMatch(/^agentmesh: [^\n]+\n$/);
    }
    expect((await world.run('token', 'new')).stderr).toContain('NO_TOKENS');
  });

  test('at the socket of another user, and at what is no socket', async () => {
    await using world = new World();
    mkdirSync(world.data, { mode: 0o700 });
    const path = join(world.data, 'hub.sock');
    const stranger = createServer().listen(path);
    await until(() => stranger.listening);
    jest.spyOn(process, 'getuid').mockReturnValue(4_711);
    const other = await world.run('agents');
    expect(other.status).toBe(1);
    expect(other.stderr).toMatch(/belongs to user \d+, not to 4711[^\n]*\[SOCKET_UNSAFE\]\n$/);
    jest.restoreAllMocks();
    await new Promise((resolve) => void stranger.close(resolve));
    writeFileSync(path, '');
    chmodSync(path, 0o600);
    expect((await world.run('agents')).stderr).toContain('is not a socket');
  });
});
