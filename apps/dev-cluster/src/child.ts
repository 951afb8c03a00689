/**
 * One process of the cluster, of which every line is shown behind its name. Owns its start, its
 * end and waiting for what it says; it has a process group of its own, so that Ctrl-C reaches only
 * the cluster, which stops its parts in order.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What to run. */
export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Sees each line; tells whether to show it. */
  readonly onLine: (line: string) => void;
}

const KILL_MS = 10_000;

/** Runs from its construction to `ended`. */
export class Child {
  readonly name: string;
  /** Resolves with how it ended: a code, a signal, or why it could not be started. */
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;
  #isOver = false;

  constructor({ name, command, args, onLine }: Program) {
    this.name = name;
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', onLine);
    }
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#isOver = true;
        resolve(how);
      };
      this.#process.once('error', (error) => end(error.message));
      this.#process.once('exit', (code, signal) => end(signal ?? `code ${code}`));
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get pid(): number | null {
    return this.#process.pid ?? null;
  }

  /** Asks it to end, and makes it end when it does not. */
  async stop(): Promise<void> {
    if (!this.#isOver) this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), KILL_MS);
    await this.ended;
    clearTimeout(timer);
  }

  kill(): void {
    if (!this.#isOver) this.#process.kill('SIGKILL');
  }
}
