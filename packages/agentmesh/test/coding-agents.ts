/**
 * A world for scripts that know only the `agentmesh` command: one real hub, a folder with programs
 * on the PATH, and a home for each agent. Owns bringing it up and down.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemoryHubStore } from '@agentmesh/hub-local';
import { NetworkHubServer } from '@agentmesh/hub-server';

const MAIN = fileURLToPath(new URL('../dist/main.bundle.js', import.meta.url));
const HUB_MAIN = fileURLToPath(new URL('../../hub-server/dist/main.bundle.js', import.meta.url));

/** How a script ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A script that runs. */
export interface Running {
  readonly said: { stdout: string };
  readonly ended: Promise<Ended>;
  stop(): Promise<Ended>;
}

/** Everything. */
export class CodingWorld {
  readonly folder = mkdtempSync(join(tmpdir(), 'am-'));
  readonly #server = new NetworkHubServer({ store: new MemoryHubStore(), port: 0 });
  readonly #children = new Set<ChildProcess>();

  static async create(): Promise<CodingWorld> {
    const world = new CodingWorld();
    mkdirSync(world.#bin);
    world.program('agentmesh', `exec "${process.execPath}" "${MAIN}" "$@"`);
    world.program('agentmesh-hub', `exec "${process.execPath}" "${HUB_MAIN}" "$@"`);
    await world.#server.start();
    return world;
  }

  get hub(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  get #bin(): string {
    return join(this.folder, 'bin');
  }

  /** Puts a program of shell commands on the PATH. */
  program(name: string, script: string): void {
    const path = join(this.#bin, name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  home(name: string): string {
    const home = join(this.folder, name);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    return home;
  }

  /** Begins a shell script in the home of an agent. */
  start(name: string, script: string, env: Record<string, string> = {}): Running {
    const home = this.home(name);
    const child = spawn('/bin/sh', ['-c', script], {
      cwd: home,
      env: { PATH: `${this.#bin}:/usr/bin:/bin`, HOME: home, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own group, so that what it has started ends with it.
      detached: true,
    });
    this.#children.add(child);
    const said = { stdout: '' };
    let stderr = '';
    child.stdout.on('data', (bytes: Buffer) => (said.stdout += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
    const ended = once(child, 'close').then(() => {
      this.#children.delete(child);
      return { status: child.exitCode, stdout: said.stdout, stderr };
    });
    return {
      said,
      ended,
      stop() {
        kill(child, 'SIGTERM');
        return ended;
      },
    };
  }

  /** Runs a script to its end. */
  run(name: string, script: string, env: Record<string, string> = {}): Promise<Ended> {
    return this.start(name, script, env).ended;
  }

  /** Holds an agent; gives its invite. */
  async up(name: string, hub = this.hub): Promise<{ invite: string; holder: Running }> {
    const holder = this.start(name, `exec agentmesh up --name ${name} --hub ${hub}`);
    const link = /agentmesh join (\S+)/;
    let isOver = false;
    void holder.ended.then(() => (isOver = true));
    while (!link.test(holder.said.stdout) && !isOver) await pause();
    if (isOver) throw new Error((await holder.ended).stderr);
    return { invite: link.exec(holder.said.stdout)?.[1] ?? '', holder };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) kill(child, 'SIGKILL');
    await this.#server.stop();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 20);
  });
}

function kill({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}
