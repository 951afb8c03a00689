/**
 * Example 3: keys in files. Two agents start twice; the second time they are who they were, and the
 * hub, which runs on, knows them again. The files are real, in a temporary folder that is removed.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, LocalHub } from 'agentmesh';
import { DemoError } from './demo-error.js';
import { countdown } from './example.js';
import type { Show } from './show.js';

/** Fingerprints of both agents in each of the two runs. */
export interface Runs {
  readonly first: readonly string[];
  readonly second: readonly string[];
  readonly folder: string;
}

export async function persistentKeys(show: Show): Promise<Runs> {
  const folder = await mkdtemp(join(tmpdir(), 'agentmesh-demo-'));
  const hub = new LocalHub({ onTraffic: show.hubSaw });
  try {
    const first = await runOnce(folder, hub, show);
    const { mode } = await stat(join(folder, 'alice.json'));
    show.say(`key files are in ${folder}, mode ${(mode & 0o777).toString(8)}`);
    const second = await runOnce(folder, hub, show);
    if (first.join() !== second.join()) throw new DemoError('The fingerprints have changed');
    show.compare();
    show.proved('both agents are the same as in the first run');
    return { first, second, folder };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Starts both agents from their key files, lets one write to the other, and ends. */
async function runOnce(folder: string, hub: LocalHub, show: Show): Promise<string[]> {
  await using alice = await Agent.create('alice', { hub, keypairPath: join(folder, 'alice.json') });
  await using bob = await Agent.create('bob', { hub, keypairPath: join(folder, 'bob.json') });
  const heard = countdown(1);
  bob.onMessage((message) => {
    show.agentSaw(message);
    heard.step();
  });
  await alice.send('bob', `It is me: ${alice.fingerprint}`);
  await heard.done;
  return [alice.fingerprint, bob.fingerprint];
}
