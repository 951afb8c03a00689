/**
 * A small world for commands: one real hub, and a home for each agent. Owns the bringing up and
 * taking down; a command runs in this process, with a home, a folder and signals of its own.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { MemoryHubStore } from '@agentmesh/hub-local';
import { NetworkHubServer } from '@agentmesh/hub-server';
import type { z } from 'zod';
import { ERROR_OUTPUT, OUTPUTS } from '../src/command/outputs.js';
import type { CommandProcess, StopListener } from '../src/command/process.js';
import { run } from '../src/command/run.js';

/** The command as a program, for processes of its own. */
export const MAIN = fileURLToPath(new URL('main.mjs', import.meta.url));

/** What a command did. */
export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

/** A command that goes on until it is stopped. */
export interface Running {
  readonly said: { stdout: string; stderr: string; status: number };
  readonly ended: Promise<Result>;
  /** As a signal does. */
  readonly stop: () => Promise<Result>;
}

/** What a command has of its process besides its arguments. */
export interface Surroundings {
  readonly stdin?: string;
  readonly env?: Record<string, string>;
  /** Somebody looks who is told how far it is. */
  readonly note?: ((text: string) => void) | null;
  /** What somebody at a terminal answers. */
  readonly person?: Pick<CommandProcess, 'choose' | 'confirm'>;
}

/** Commands whose `--json` was compared with its schema. */
export const compared = new Set<string>();

/** What is printed with `--json` is what the schema of the command says, and nothing else. */
function assertOutput(args: readonly string[], { stdout, stderr, status }: Result): void {
  const words = args.slice(
    0,
    args.findIndex((word) => word.startsWith('-')),
  );
  const name = [3, 2, 1]
    .map((length) => words.slice(0, length).join(' '))
    .find((one) => Object.hasOwn(OUTPUTS, one));
  for (const line of stdout.split('\n').filter((one) => one !== '')) {
    assertFits(`${args.join(' ')}: ${line}`, OUTPUTS[name ?? ''], line);
    compared.add(name ?? '');
  }
  const last = stderr.trimEnd().split('\n').at(-1) ?? '';
  // An examination that finds something wrong has printed it.
  if (status === 0 || last === '') return;
  assertFits(`${args.join(' ')}: ${last}`, ERROR_OUTPUT, last);
}

function assertFits(what: string, shape: z.ZodType | undefined, line: string): void {
  const value: unknown = JSON.parse(line);
  const read = shape?.safeParse(value);
  if (read?.success !== true) throw new Error(`${what}: ${read?.error.message ?? 'no schema'}`);
  // A member that no schema names is lost in reading.
  if (!isDeepStrictEqual(read.data, value)) throw new Error(`${what}: more than its schema says`);
}

/** Where one agent lives. */
export class Home {
  readonly folder: string;
  readonly #running = new Set<Running>();

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Begins a command. */
  start(
    args: readonly string[],
    { stdin = '', env = {}, note = null, person = {} }: Surroundings = {},
  ): Running {
    const said = { stdout: '', stderr: '', status: 0 };
    const listeners: StopListener[] = [];
    const ended = run({
      args,
      env: { HOME: this.folder, ...env },
      cwd: this.folder,
      version: '1.2.3',
      stdin: Readable.from([Buffer.from(stdin)]),
      print: (text) => void (said.stdout += text),
      complain: (text) => void (said.stderr += text),
      exit: (code) => void (said.status = code),
      ask: null,
      choose: null,
      confirm: null,
      note,
      ...person,
      extras: { skillFile: new URL('../../agentmesh/skill/SKILL.md', import.meta.url) },
      onStop(listener) {
        listeners.push(listener);
        return () => void listeners.splice(listeners.indexOf(listener), 1);
      },
    }).then(() => {
      if (args.includes('--json')) assertOutput(args, said);
      return said;
    });
    const running: Running = {
      said,
      ended,
      stop() {
        listeners.at(-1)?.('SIGTERM');
        return ended;
      },
    };
    this.#running.add(running);
    void ended.then(() => this.#running.delete(running));
    return running;
  }

  /** Runs a command to its end. */
  run(args: readonly string[], options: Surroundings = {}) {
    return this.start(args, options).ended;
  }

  /** Runs a command that must succeed, and reads the lines of JSON that it prints. */
  async json<T = Record<string, unknown>>(args: readonly string[]): Promise<T[]> {
    const { stdout, stderr, status } = await this.run([...args, '--json']);
    if (status !== 0) throw new Error(`${args.join(' ')}: ${status} ${stderr}`);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T);
  }

  /** Holds the agent; resolves when it is up. */
  async up(args: readonly string[] = []): Promise<Running> {
    const running = this.start(['up', ...args]);
    await until(() => running.said.stdout.includes('is up') || running.said.status !== 0);
    if (running.said.status !== 0) throw new Error(running.said.stderr);
    return running;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop()));
  }
}

/** One hub and its agents' homes. */
export class CommandWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'am-'));
  readonly #homes: Home[] = [];
  #server: NetworkHubServer;
  readonly #store = new MemoryHubStore();

  private constructor() {
    this.#server = this.#newServer(0);
  }

  static async create(): Promise<CommandWorld> {
    const world = new CommandWorld();
    await world.#server.start();
    return world;
  }

  /** Where the hub is, as `--hub` takes it. */
  get hub(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  home(name: string): Home {
    const home = new Home(join(this.folder, name));
    this.#homes.push(home);
    return home;
  }

  /** Takes the hub away. */
  async stopHub(): Promise<void> {
    await this.#server.stop();
  }

  /** And brings it back, with all that it had. */
  async startHub(): Promise<void> {
    this.#server = this.#newServer(this.#server.port);
    await this.#server.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#homes.map((home) => home.close()));
    await this.#server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #newServer(port: number): NetworkHubServer {
    return new NetworkHubServer({ store: this.#store, port });
  }
}

/** Alice, who is up, and Bob, who has joined with her invite. */
export async function twoAgents(
  world: CommandWorld,
): Promise<{ readonly alice: Home; readonly bob: Home; readonly up: Running }> {
  const alice = world.home('alice');
  const bob = world.home('bob');
  const up = await alice.up(['--name', 'alice', '--hub', world.hub]);
  const link = /agentmesh join (\S+)/.exec(up.said.stdout)?.[1] ?? '';
  const { status, stderr } = await bob.run(['join', link, '--name', 'bob']);
  if (status !== 0) throw new Error(stderr);
  return { alice, bob, up };
}

/** Waits for something that happens in its own time. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

/** `agentmesh up` in a process of its own, to be killed; resolves when the agent is held. */
export async function upProcess(home: Home, args: readonly string[] = []): Promise<ChildProcess> {
  const env = { PATH: '/usr/bin:/bin', HOME: home.folder };
  const options = { env, cwd: home.folder, stdio: 'pipe' } as const;
  const child = spawn(process.execPath, [MAIN, 'up', ...args], options);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  await until(() => said.includes('is up') || child.exitCode !== null);
  if (child.exitCode !== null) throw new Error(said);
  return child;
}
