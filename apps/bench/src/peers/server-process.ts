/**
 * A server that is measured, as a process of its own on the loopback interface, with a folder that
 * goes away with it. Owns the process, its port and its end; none outlives the bench.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { BenchError } from '../harness/bench-error.js';
import { SCRATCH } from '../harness/machine.js';

const START_MS = 20_000;
const POLL_MS = 20;
/** Linux counts processor time in hundredths of a second. */
const TICK_MS = 10;
const alive = new Set<ServerProcess>();
process.once('exit', abandonServers);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

/** Ends every server that still runs: nobody measures it any more. */
export function abandonServers(): void {
  for (const server of alive) server.abandon();
}

/** How to start it: the program, and its arguments once folder and port are known. */
export interface ServerPlan {
  readonly program: string;
  args(folder: string, port: number): readonly string[];
}

/** One server; it may be killed and started again over the same files. */
export class ServerProcess {
  readonly folder = mkdtempSync(join(SCRATCH, 'agentmesh-bench-'));
  readonly port: number;
  readonly #plan: ServerPlan;
  #child: ChildProcess | null = null;

  private constructor(plan: ServerPlan, port: number) {
    this.#plan = plan;
    this.port = port;
    alive.add(this);
  }

  /** Resolves when it takes connections. */
  static async start(plan: ServerPlan): Promise<ServerProcess> {
    const server = new ServerProcess(plan, await freePort());
    await server.run();
    return server;
  }

  async run(): Promise<void> {
    const args = this.#plan.args(this.folder, this.port);
    // Programs of ours answer on it, see `liveBytes`; others do not know of it.
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const;
    const child = spawn(this.#plan.program, args, { stdio: [...stdio] });
    child.channel?.unref();
    this.#child = child;
    const endMs = performance.now() + START_MS;
    while (!(await listens(this.port))) {
      if (performance.now() > endMs || child.exitCode !== null) {
        throw new BenchError('DID_NOT_START', `${this.#plan.program} ${args.join(' ')}`);
      }
      await pause(POLL_MS);
    }
  }

  /** As when the machine loses its power, as far as a process can know. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends it and removes its files. */
  async close(): Promise<void> {
    await this.#end('SIGTERM');
    this.abandon();
  }

  /** The bench itself ends now; a server that is just dying may still write into its folder. */
  abandon(): void {
    this.#child?.kill('SIGKILL');
    alive.delete(this);
    try {
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    } catch (error) {
      process.stderr.write(`${this.folder} stays: ${String(error)}\n`);
    }
  }

  /** Bytes of memory in use by the process. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.#child?.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  /** Bytes that are alive in it after a collection; only a program of ours can tell. */
  async liveBytes(): Promise<number> {
    const child = this.#child;
    if (child === null) throw new BenchError('PEER_FAILED', this.#plan.program);
    const told = once(child, 'message');
    child.send('liveBytes');
    const [bytes] = (await told) as [number];
    return bytes;
  }

  /** Bytes that the process has had written to the disk. */
  writtenBytes(): number {
    return writtenBytes(this.#child?.pid ?? 0);
  }

  /** Processor time that the process has used, in the kernel too. */
  processorMs(): number {
    const stat = readFileSync(`/proc/${this.#child?.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }
}

/** Bytes that a process has had written to the disk. */
export function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}

/** As the command `agentmesh-hub` sets it for itself. */
const V8_OF_HUBS = [
  '--max-semi-space-size=8',
  ...(availableParallelism() > 2 ? [] : ['--single-threaded-gc']),
];

/** One of our own servers: a script of this package. */
export function nodePlan(script: string, profileFolder: string | null, extra: string[] = []) {
  const file = fileURLToPath(new URL(`../servers/${script}.js`, import.meta.url));
  const profile = profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  return {
    program: process.execPath,
    args: (folder: string, port: number) => [
      ...profile,
      ...V8_OF_HUBS,
      file,
      folder,
      String(port),
      ...extra,
    ],
  } satisfies ServerPlan;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
    socket.once('connect', () => socket.destroy());
  });
}

/** What installs programs for tests and benchmarks, one process at a time. */
const INSTALLER = fileURLToPath(new URL('../../../../scripts/programs.mjs', import.meta.url));

/**
 * The first line that a Debian program prints of its version, or why it is not there. It is
 * installed where that is allowed.
 */
export function debianProgram(
  program: string,
): { readonly version: string } | { readonly absent: string } {
  const said = () => spawnSync(program, ['--version'], { encoding: 'utf8' });
  if (said().status !== 0) {
    const { stderr } = spawnSync(process.execPath, [INSTALLER, program], { encoding: 'utf8' });
    process.stderr.write(stderr);
  }
  const { status, stdout } = said();
  if (status !== 0) return { absent: `apt-get install ${program} gives it` };
  return { version: /\d+\.\d+(\.\d+)?/.exec(stdout)?.[0] ?? '' };
}
