/**
 * Example 3: keys and messages in files. Two agents start twice; the second time they are who they
 * were, and what one of them had not read the first time is there. The hub, which runs on, knows
 * them again. The files are real, in a temporary folder that is removed.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Agent, LocalHub } from 'agentmesh';
import { DemoError } from './demo-error.js';
import { countdown } from './example.js';
import type { Show } from './show.js';

/** Fingerprints of both agents in each of the two runs, and what was read in the second only. */
export interface Runs {
  readonly first: readonly string[];
  readonly second: readonly string[];
  readonly unread: readonly string[];
  readonly folder: string;
}

const UNREAD = ['The tests are green.', 'I have tagged the release.'];

export async function persistentKeys(show: Show): Promise<Runs> {
  const folder = await mkdtemp(join(tmpdir(), 'agentmesh-demo-'));
  const hub = new LocalHub({ onTraffic: show.hubSaw });
  try {
    const first = await firstRun(folder, hub, show);
    const { mode } = await stat(join(folder, 'alice.json'));
    show.say(`key files are in ${folder}, mode ${(mode & 0o777).toString(8)}`);
    const { fingerprints: second, unread } = await secondRun(folder, hub, show);
    if (first.join() !== second.join()) throw new DemoError('The fingerprints have changed');
    if (unread.join() !== UNREAD.join()) throw new DemoError('Unread messages were lost');
    show.compare();
    show.proved('both agents are the same as in the first run');
    show.proved(`bob has read ${unread.length} messages that came before he stopped, each once`);
    return { first, second, unread, folder };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Both agents, from their key files; sessions and unread messages lie beside them. */
async function startBoth(folder: string, hub: LocalHub): Promise<readonly [Agent, Agent]> {
  const alice = await Agent.create('alice', { hub, keypairPath: join(folder, 'alice.json') });
  const bob = await Agent.create('bob', { hub, keypairPath: join(folder, 'bob.json') });
  return [alice, bob];
}

/** Bob reads one message and stops before he reads the others. */
async function firstRun(folder: string, hub: LocalHub, show: Show): Promise<string[]> {
  const [alice, bob] = await startBoth(folder, hub);
  const heard = countdown(1);
  const stopReading = bob.onMessage((message) => {
    show.agentSaw(message);
    heard.step();
  });
  await alice.send('bob', `It is me: ${alice.fingerprint}`);
  await heard.done;
  stopReading();
  const sent = [];
  for (const text of UNREAD) sent.push(await alice.send('bob', text));
  // What the hub has reaches bob a moment later.
  while ((await bob.status()).inbox < sent.length) await setTimeout(10);
  await bob.close();
  // Bob's own word, not the hub's: they are in his file.
  await Promise.all(sent.map(({ delivered }) => delivered));
  show.say(`bob stops with ${sent.length} messages unread in his file`);
  await alice.close();
  return [alice.fingerprint, bob.fingerprint];
}

/** Bob reads what he had left, then what is new. */
async function secondRun(
  folder: string,
  hub: LocalHub,
  show: Show,
): Promise<{ readonly fingerprints: string[]; readonly unread: string[] }> {
  const [alice, bob] = await startBoth(folder, hub);
  const heard = countdown(UNREAD.length + 1);
  const unread: string[] = [];
  bob.onMessage((message) => {
    show.agentSaw(message);
    if (message.redelivered) unread.push(message.text);
    heard.step();
  });
  await alice.send('bob', `It is me: ${alice.fingerprint}`);
  await heard.done;
  await alice.close();
  await bob.close();
  return { fingerprints: [alice.fingerprint, bob.fingerprint], unread };
}
