/**
 * The `agentmesh-hub` command as a process of its own. Owns starting it and reading what it says.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { until } from './test-clients.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command that is to end by itself. */
export function runHub(args: readonly string[], env: Record<string, string> = {}): Result {
  const options = { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 20_000 } as const;
  return spawnSync(process.execPath, [MAIN, ...args], options);
}

/** A running hub command. */
export class Command {
  readonly lines: Record<string, unknown>[] = [];
  readonly text: string[] = [];
  stderr = '';
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it listens or is over; what does neither within `patienceMs` is ended. */
  static async start(
    args: readonly string[],
    env: Record<string, string> = {},
    patienceMs = 15_000,
  ): Promise<Command> {
    const child = spawn(process.execPath, [MAIN, '--port', '0', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    const command = new Command(child);
    createInterface({ input: child.stdout }).on('line', (line) => {
      command.text.push(line);
      command.lines.push(JSON.parse(line) as Record<string, unknown>);
    });
    child.stderr.on('data', (bytes: Buffer) => (command.stderr += bytes.toString()));
    const isDecided = (): boolean => command.said('listening') !== undefined || command.isOver;
    try {
      await until(isDecided, patienceMs);
      return command;
    } catch (error) {
      child.kill('SIGKILL');
      const said = [...command.text.slice(-5), command.stderr].join('\n');
      throw new TypeError(`the hub does not listen: ${said}`, { cause: error });
    }
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  said(message: string): Record<string, unknown> | undefined {
    return this.lines.find((line) => line['msg'] === message);
  }

  get port(): number {
    return Number(this.said('listening')?.['port']);
  }

  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): void {
    this.#child.kill(name);
  }

  async exit(): Promise<number | null> {
    if (!this.isOver) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  async page(path: string): Promise<number> {
    return (await fetch(`http://127.0.0.1:${this.port}${path}`)).status;
  }
}

/** One line on stderr, nothing on stdout, and a code that is not 0. */
export function expectRefusal(result: Result, status: number, what: string): void {
  expect(result.stderr).toMatch(/^agentmesh-hub: [^\n]+\n$/);
  expect(result.stderr).toContain(what);
  expect(result.stdout).toBe('');
  expect(result.status).toBe(status);
}
