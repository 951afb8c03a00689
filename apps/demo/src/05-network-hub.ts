/**
 * Example 5: four processes. A hub on a port of its own, over TLS; bob registers and goes away;
 * alice writes to him; the hub keeps the message, unread and on its disk, until bob is back.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child } from './network/child.js';
import type { News } from './network/child.js';
import type { Show } from './show.js';

// The built one, also when this file runs from its source.
const AGENT_SCRIPT = fileURLToPath(new URL('../dist/network/agent-process.js', import.meta.url));
const HUB_PACKAGE = createRequire(import.meta.url).resolve('@agentmesh/hub-server/package.json');
const HUB_SCRIPT = join(dirname(HUB_PACKAGE), 'dist', 'main.js');

/** What bob received after he had been away. */
export async function networkHub(show: Show): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'agentmesh-demo-'));
  const children: Child[] = [];
  const start = (name: string, script: string, args: readonly string[]): Child => {
    const child = new Child(name, script, args);
    children.push(child);
    return child;
  };
  try {
    const hub = start('the hub', HUB_SCRIPT, ['--port', '0', '--data', join(folder, 'hub')]);
    const { port, hubKey } = await hub.until('msg', 'listening');
    show.say(
      `hub    process ${hub.pid} listens on 127.0.0.1:${String(port)} (TLS), key ${String(hubKey)}`,
    );
    const agent = (name: string, task: string): Child =>
      start(name, AGENT_SCRIPT, [name, '127.0.0.1', String(port), String(hubKey), folder, task]);
    return await story(agent, show);
  } finally {
    for (const child of children.toReversed()) await child.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function story(agent: (name: string, task: string) => Child, show: Show): Promise<string> {
  const tellOf = async (child: Child, name: string, what: News['what']): Promise<string> => {
    const { text } = await child.until('what', what);
    show.say(`${name.padEnd(6)} process ${child.pid} ${what}: ${String(text)}`);
    return String(text);
  };
  const early = agent('bob', 'register');
  await tellOf(early, 'bob', 'ready');
  await early.ended;
  show.say('bob    has gone');
  const alice = agent('alice', 'send');
  await tellOf(alice, 'alice', 'sent');
  const late = agent('bob', 'receive');
  const received = await tellOf(late, 'bob', 'received');
  await tellOf(alice, 'alice', 'delivered');
  await Promise.all([alice.ended, late.ended]);
  show.proved('a message to an agent that was away has arrived');
  return received;
}
