/**
 * The program of the agent that is attacked: an ordinary agent with a durable store, in a process
 * of its own. Owns what it tells on its output; no key of it leaves the process.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent } from '@agentmesh/agent';
import type { AgentEvents, AgentOptions } from '@agentmesh/agent';
import { AgentMeshError } from '@agentmesh/crypto';
import { clientOf } from '../target.js';
import type { Target } from '../target.js';

/** How it is started. */
export interface VictimSetup {
  readonly name: string;
  readonly folder: string;
  readonly target: Target;
  readonly options: Pick<AgentOptions, 'acceptFrom' | 'trust'>;
  readonly connectTimeoutMs: number;
  /** What its handler does with a message. */
  readonly handler: 'count' | 'reply' | { readonly slowMs: number };
}

/** What it is told. */
export type Command =
  | { readonly ask: 'state' }
  | { readonly ask: 'names' }
  | { readonly ask: 'send'; readonly to: string; readonly text: string };

/** What it says. */
export type Word =
  | { readonly what: 'ready' }
  | { readonly what: 'rejected'; readonly code: string }
  | { readonly what: 'message'; readonly from: string; readonly text: string }
  | { readonly what: 'event'; readonly name: string; readonly detail: string }
  | { readonly what: 'answer'; readonly value: unknown };

/** The state of the victim, as it says itself. */
export interface VictimState {
  readonly connection: string;
  readonly inbox: number;
  readonly outbox: number;
  readonly peers: number;
  readonly diskBytes: number;
  readonly cpuMs: number;
  /** Bytes written by the process; 0 where the system does not say. */
  readonly writtenBytes: number;
}

const EVENTS: readonly (keyof AgentEvents)[] = [
  'cloneOrRollback',
  'connection',
  'contactRequest',
  'firstContact',
  'gap',
  'identityChanged',
  'keysDropped',
  'outgoing',
  'peerInstanceChanged',
  'refused',
  'stopped',
  'storeRollback',
  'undecryptable',
  'undelivered',
];

function say(word: Word): void {
  process.stdout.write(`${JSON.stringify(word)}\n`);
}

/** Errors as their codes: their texts are nobody's business here. */
function plain(_key: string, value: unknown): unknown {
  return value instanceof AgentMeshError ? { code: value.code } : value;
}

function sizeOf(folder: string): number {
  const sizes = readdirSync(folder).map((file) => statSync(join(folder, file)).size);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** What it has written, to files and sockets together. */
function writtenBytesOf(): number {
  try {
    return Number(/wchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
  } catch {
    return process.resourceUsage().fsWrite * 512;
  }
}

async function stateOf(agent: Agent, folder: string): Promise<VictimState> {
  const { connection, inbox, outbox, knownPeers } = await agent.status();
  const peers = knownPeers.length;
  const { user, system } = process.cpuUsage();
  const writtenBytes = writtenBytesOf();
  const cpuMs = Math.round((user + system) / 1_000);
  return { connection, inbox, outbox, peers, diskBytes: sizeOf(folder), cpuMs, writtenBytes };
}

async function obey(agent: Agent, folder: string, command: Command): Promise<unknown> {
  switch (command.ask) {
    case 'state':
      return stateOf(agent, folder);
    case 'names':
      return agent.listPeers();
    case 'send':
      return (await agent.send(command.to, command.text)).id;
  }
}

async function run(setup: VictimSetup): Promise<void> {
  const { name, folder, target, options, handler } = setup;
  const hub = clientOf(target, { connectTimeoutMs: setup.connectTimeoutMs });
  const keypairPath = join(folder, 'keys.json');
  const agent = await Agent.create(name, { hub, keypairPath, logLevel: 'silent', ...options });
  agent.onMessage(async (message) => {
    say({ what: 'message', from: message.sender, text: message.text });
    if (handler === 'reply') await message.reply('heard');
    if (typeof handler === 'object') await pause(handler.slowMs);
  });
  for (const event of EVENTS) {
    agent.on(event, (detail) => {
      say({ what: 'event', name: event, detail: JSON.stringify(detail, plain) });
    });
  }
  say({ what: 'ready' });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Command;
    const value = await obey(agent, folder, command).catch((error: unknown) => ({
      code: error instanceof AgentMeshError ? error.code : String(error),
    }));
    say({ what: 'answer', value });
  }
}

await run(JSON.parse(process.argv[2] ?? '') as VictimSetup).catch((error: unknown) => {
  say({ what: 'rejected', code: error instanceof AgentMeshError ? error.code : String(error) });
  process.exitCode = 1;
});
