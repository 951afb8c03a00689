/**
 * One real hub, homes for agents, and MCP clients that start their servers as processes. Owns
 * bringing all of it up and down.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Control, filesOf } from '@agentmesh/cli';
import type { AgentFiles } from '@agentmesh/cli';
import { MemoryHubStore } from '@agentmesh/hub-local';
import { NetworkHubServer } from '@agentmesh/hub-server';
import { Client, InMemoryTransport } from '@modelcontextprotocol/client';
import type { CallToolResult } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { createServer } from '../src/server.js';

const MAIN = fileURLToPath(new URL('main.mjs', import.meta.url));

/** The two revisions of MCP that clients speak. */
export const ERAS = ['legacy', 'auto'] as const;
export type Era = (typeof ERAS)[number];

/** How a client is made. */
export interface ClientPlan {
  readonly era?: Era | undefined;
  /** What the person answers; without it the client cannot ask anybody. */
  readonly person?: ((message: string) => Record<string, unknown> | null) | undefined;
}

/** What a tool gave. */
export interface Given {
  readonly isError: boolean;
  readonly text: string;
  readonly value: Record<string, unknown>;
}

/** A coding agent's side of one MCP connection. */
export class CodingAgent {
  readonly client: Client;
  /** Null where the server is in this process. */
  readonly transport: StdioClientTransport | null;

  constructor(client: Client, transport: StdioClientTransport | null) {
    this.client = client;
    this.transport = transport;
  }

  async call(
    name: string,
    args: Record<string, unknown> = {},
    onprogress?: (progress: { readonly progress: number }) => void,
  ): Promise<Given> {
    const options = { timeout: 120_000, ...(onprogress === undefined ? {} : { onprogress }) };
    const result: CallToolResult = await this.client.callTool({ name, arguments: args }, options);
    const texts = result.content.map((part) => (part.type === 'text' ? part.text : ''));
    return {
      isError: result.isError === true,
      text: texts.join('\n'),
      value: (result.structuredContent ?? {}) as Record<string, unknown>,
    };
  }

  /** As a coding agent that is killed. */
  async kill(): Promise<void> {
    const pid = this.transport?.pid ?? null;
    if (pid !== null) process.kill(pid, 'SIGKILL');
    await this.client.close();
  }
}

/** Everything. */
export class McpWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'am-'));
  readonly #store = new MemoryHubStore();
  #server = new NetworkHubServer({ store: this.#store, port: 0 });
  readonly #clients: Client[] = [];
  readonly #controls: Control[] = [];

  static async create(): Promise<McpWorld> {
    const world = new McpWorld();
    await world.#server.start();
    return world;
  }

  get hub(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  /** The hub goes away. */
  async stopHub(): Promise<void> {
    await this.#server.stop();
  }

  /** And comes back, with all that it had. */
  async startHub(): Promise<void> {
    this.#server = new NetworkHubServer({ store: this.#store, port: this.#server.port });
    await this.#server.start();
  }

  /** Runs a command of an agent to its end. */
  run(name: string, ...args: string[]): { stdout: string; stderr: string; status: number | null } {
    const home = this.#home(name);
    const options = { cwd: home, env: this.#env(name), encoding: 'utf8' } as const;
    return spawnSync(process.execPath, [MAIN, ...args], { ...options, timeout: 120_000 });
  }

  /** The same without blocking the hub in this process. */
  async command(name: string, ...args: string[]): Promise<string> {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.#home(name),
      env: this.#env(name),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
    const [status] = (await once(child, 'close')) as [number | null];
    if (status !== 0) throw new Error(`${args.join(' ')}: ${status} ${stderr}`);
    return stdout;
  }

  /** Makes an agent, and gives an invite of it. */
  async agent(name: string): Promise<string> {
    const child = spawn(process.execPath, [MAIN, 'up', '--name', name, '--hub', this.hub], {
      cwd: this.#home(name),
      env: this.#env(name),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    const link = /agentmesh join (\S+)/;
    for await (const bytes of child.stdout) {
      said += String(bytes);
      if (link.test(said)) break;
    }
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    return link.exec(said)?.[1] ?? '';
  }

  /** A coding agent that has started its MCP server. */
  async connect(name: string, { era = 'auto', person }: ClientPlan = {}): Promise<CodingAgent> {
    const capabilities = person === undefined ? {} : { elicitation: {} };
    const versionNegotiation = { mode: era } as const;
    const client = new Client(
      { name: 'test', version: '1.0.0' },
      { capabilities, versionNegotiation },
    );
    if (person !== undefined) {
      client.setRequestHandler('elicitation/create', ({ params }) => {
        const content = person(params.message);
        return Promise.resolve(
          content === null
            ? { action: 'decline' as const }
            : { action: 'accept' as const, content: content as Record<string, string | boolean> },
        );
      });
    }
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [MAIN, 'mcp'],
      cwd: this.#home(name),
      env: this.#env(name),
    });
    await client.connect(transport);
    this.#clients.push(client);
    return new CodingAgent(client, transport);
  }

  /** The same with a server in this process. */
  async served(name: string): Promise<CodingAgent> {
    const control = new Control(this.#files(name), { client: 'test' });
    this.#controls.push(control);
    const [near, far] = InMemoryTransport.createLinkedPair();
    await createServer(control, []).connect(far);
    const client = new Client({ name: 'test', version: '1.0.0' });
    await client.connect(near);
    this.#clients.push(client);
    return new CodingAgent(client, null);
  }

  /** Where the holder of an agent listens. */
  socketOf(name: string): string {
    return this.#files(name).socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#controls.map((control) => control.close()));
    await this.#server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #files(name: string): AgentFiles {
    return filesOf({}, { env: this.#env(name), cwd: this.#home(name) });
  }

  #home(name: string): string {
    const home = join(this.folder, name);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    return home;
  }

  #env(name: string): Record<string, string> {
    const { PATH = '' } = process.env;
    return { PATH, HOME: join(this.folder, name) };
  }
}

/** Alice and Bob, who know each other. */
export async function twoAgents(world: McpWorld): Promise<void> {
  const link = await world.agent('alice');
  await world.command('bob', 'join', link, '--name', 'bob');
}
