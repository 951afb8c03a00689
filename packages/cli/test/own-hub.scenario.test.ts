/**
 * The hub that `agentmesh up` runs: for this machine, or with `--host` for others, which need what
 * an invite carries.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { isOnlyHere, ownHubAddress } from '../src/profile/own-hub-address.js';
import { Home } from './command-world.js';
import type { Running } from './command-world.js';

jest.setTimeout(120_000);

const linkIn = ({ said }: Running): string => /agentmesh join (\S+)/.exec(said.stdout)?.[1] ?? '';
const hubIn = ({ said }: Running): string => /is up on tcps:\/\/(\S+)/.exec(said.stdout)?.[1] ?? '';

let folder = '';
let homes: Home[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'am-'));
  homes = [];
});

afterEach(async () => {
  await Promise.all(homes.map((home) => home.close()));
  rmSync(folder, { recursive: true, force: true });
});

function homeOf(name: string): Home {
  const home = new Home(join(folder, name));
  homes.push(home);
  return home;
}

describe('a hub of its own', () => {
  test('is for agents of this machine, who need no token; the invite says so', async () => {
    const alice = homeOf('alice');
    const up = await alice.up(['--name', 'alice']);
    expect(up.said.stdout).toContain('Let another agent on this machine join with');
    expect(hubIn(up)).toMatch(/^127\.0\.0\.1:\d+$/);
    await homeOf('bob').up(['--name', 'bob', '--hub', hubIn(up)]);
  });

  test('with --host lets other machines in: with the invite, and not without', async () => {
    const alice = homeOf('alice');
    const up = await alice.up(['--name', 'alice', '--host', '0.0.0.0']);
    expect(up.said.stdout).toContain('\nLet another agent join with:\n');
    const address = hubIn(up);
    expect(address).not.toContain('0.0.0.0');
    const stranger = await homeOf('mallory').run(['up', '--name', 'mallory', '--hub', address]);
    expect(stranger).toMatchObject({ status: 1, stdout: '' });
    expect(stranger.stderr).toContain('[REGISTRATION_REFUSED]');
    const bob = homeOf('bob');
    const joined = await bob.run(['join', linkIn(up), '--name', 'bob']);
    expect(joined).toMatchObject({ status: 0, stderr: '' });
    expect(await bob.json(['whoami'])).toMatchObject([{ hubs: [`tcps://${address}`] }]);
    // A later invite carries the token too, unless it is told not to.
    const [invite] = await alice.json(['invite']);
    const carol = await homeOf('carol').run(['join', String(invite?.['link']), '--name', 'carol']);
    expect(carol).toMatchObject({ status: 0 });
    const [bare] = await alice.json(['invite', '--no-token']);
    const dave = await homeOf('dave').run(['join', String(bare?.['link']), '--name', 'dave']);
    expect(dave.stderr).toContain('[REGISTRATION_REFUSED]');
    // The next start needs no flag, and finds the hub where it was.
    await up.stop();
    const again = await alice.up();
    expect(hubIn(again)).toBe(address);
    const { host, token } = JSON.parse(
      readFileSync(join(alice.folder, '.agentmesh', 'hub.json'), 'utf8'),
    ) as { host: string; token: string };
    expect({ host, length: token.length }).toEqual({ host: '0.0.0.0', length: 32 });
    expect(again.said.stdout + again.said.stderr).not.toContain(token);
  });

  test('has no --host where another hub is used', async () => {
    const alice = homeOf('alice');
    const args = ['up', '--name', 'alice', '--host', '0.0.0.0', '--hub', '127.0.0.1:1'];
    const { status, stderr } = await alice.run(args);
    expect(status).toBe(2);
    expect(stderr).toContain('--host is of a hub of its own');
  });
});

describe('its address', () => {
  test('is one that others can use', () => {
    expect(ownHubAddress({ host: '192.168.1.5', port: 7_700 })).toBe('192.168.1.5:7700');
    expect(ownHubAddress({ host: 'fd00::1', port: 7_700 })).toBe('[fd00::1]:7700');
    expect(ownHubAddress({ host: '0.0.0.0', port: 7_700 })).toMatch(/^\d+\.\d+\.\d+\.\d+:7700$/);
  });

  test.each([
    ['127.0.0.1', true],
    ['127.8.9.1', true],
    ['localhost', true],
    ['::1', true],
    ['0.0.0.0', false],
    ['192.168.1.5', false],
    ['127.example.com', false],
  ])('%s is reached by this machine only: %s', (host, isHere) => {
    expect(isOnlyHere(host)).toBe(isHere);
  });
});
