/**
 * The command as a process, as a developer's terminal has it: what it says, Ctrl-C, and whether
 * anything is left of it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const PATIENCE_MS = 60_000;

/** Runs from `start` until it has been stopped or has ended. */
export class ClusterProcess {
  readonly data = mkdtempSync(join(tmpdir(), 'agentmesh-dev-'));
  text = '';
  readonly #child: ChildProcess;

  private constructor(flags: readonly string[]) {
    const own = ['--port', '0', '--nats-port', '0', '--data', this.data];
    this.#child = spawn(process.execPath, [MAIN, ...own, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (bytes: Buffer) => (this.text += bytes.toString()));
    }
  }

  /** Resolves when it says that Ctrl-C stops it. */
  static async start(flags: readonly string[] = []): Promise<ClusterProcess> {
    const cluster = new ClusterProcess(flags);
    await cluster.says(/Ctrl-C stops everything/);
    return cluster;
  }

  /** Waits for a text; throws with all that was said instead. */
  async says(pattern: RegExp): Promise<void> {
    for (const endMs = Date.now() + PATIENCE_MS; !pattern.test(this.text);) {
      if (Date.now() > endMs) throw new Error(`not said: ${pattern}\n${this.text}`);
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  }

  /** `host:port` of the hubs. */
  get hubs(): string[] {
    return [...this.text.matchAll(/^hub\d +(\S+:\d+) /gm)].map(([, address]) => address ?? '');
  }

  /** The program that it prints. */
  get snippet(): string {
    return /^import [\s\S]*?close\(\);$/m.exec(this.text)?.[0] ?? '';
  }

  /** Its own processes of this name, such as `nats2` or `hub1`. */
  pidsOf(name: string): number[] {
    return this.#pids((line) => line.includes(join(this.data, name)));
  }

  /** All that it started. */
  get pids(): number[] {
    return this.#pids((line) => line.includes(`${this.data}/`));
  }

  /** Ctrl-C; resolves with the exit code. */
  async interrupt(): Promise<number | null> {
    this.#child.kill('SIGINT');
    return this.ended();
  }

  async ended(): Promise<number | null> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  /** Whatever happened in a test: nothing stays. */
  async dispose(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended();
    for (const pid of this.pids) process.kill(pid, 'SIGKILL');
    rmSync(this.data, { recursive: true, force: true });
  }

  #pids(isWanted: (commandLine: string) => boolean): number[] {
    const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return all.map(Number).filter((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return pid !== this.#child.pid && isWanted(line);
      } catch {
        return false;
      }
    });
  }
}
