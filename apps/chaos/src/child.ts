/**
 * One process of a run: started, paused, killed, told something. Owns the process only; who starts
 * it again is its machine's decision.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Exit code of an agent whose connection or store has ended. */
export const STOPPED = 3;

const CLOCK = new URL('clock-offset.js', import.meta.url).href;

/** What to run. */
export interface Program {
  /** A program of Node where there is none. */
  readonly command?: string;
  readonly args: readonly string[];
  /** How far its clock is ahead. */
  readonly clockMs: number;
  /** Sees each line of its output. */
  readonly onLine: (line: string) => void;
}

/** One process. */
export class Child {
  readonly #process: ChildProcess;
  readonly ended: Promise<unknown>;
  #errors = '';
  #isPaused = false;

  constructor({ command, args, clockMs, onLine }: Program) {
    const flags = ['--disable-warning=ExperimentalWarning', '--import', CLOCK];
    const all = command === undefined ? [...flags, ...args] : args;
    this.#process = spawn(command ?? process.execPath, all, {
      stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, CHAOS_CLOCK_MS: String(clockMs) },
    });
    this.ended = once(this.#process, 'exit');
    this.#process.stdin?.on('error', () => undefined);
    this.#process.stderr?.on('data', (bytes: Buffer) => {
      this.#errors = `${this.#errors}${String(bytes)}`.slice(-2_000);
    });
    if (this.#process.stdout !== null) {
      createInterface({ input: this.#process.stdout }).on('line', onLine);
    }
  }

  get isOver(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Ended, neither by a signal nor in a way that it chose. */
  get hasCrashed(): boolean {
    const { exitCode } = this.#process;
    return exitCode !== null && exitCode !== 0 && exitCode !== STOPPED;
  }

  /** What it said last on its error output. */
  get errors(): string {
    return this.#errors;
  }

  tell(line: object): void {
    if (!this.isOver) this.#process.stdin?.write(`${JSON.stringify(line)}\n`);
  }

  setClock(clockMs: number): void {
    if (this.#process.connected) this.#process.send({ clockMs }, () => undefined);
  }

  /** Resolves when it stands still, or is over. */
  async pause(): Promise<void> {
    if (this.isOver) return;
    this.#isPaused = true;
    this.#process.kill('SIGSTOP');
    while (!this.isOver && !this.#standsStill()) await nextTurn();
  }

  /**
   * For how long each of its threads was ready to run and had no processor, in milliseconds by the
   * thread's number; empty where the system does not say.
   */
  get waits(): ReadonlyMap<string, number> {
    const waits = new Map<string, number>();
    const tasks = `/proc/${this.#process.pid}/task`;
    for (const thread of linesOf(() => readdirSync(tasks))) {
      const [said = ''] = linesOf(() => [readFileSync(`${tasks}/${thread}/schedstat`, 'latin1')]);
      const [, waitedNs] = said.split(' ');
      if (waitedNs !== undefined) waits.set(thread, Number(waitedNs) / 1_000_000);
    }
    return waits;
  }

  /** The signal is a request: threads on other processors may run for a moment longer. */
  #standsStill(): boolean {
    if (process.platform !== 'linux') return true;
    const tasks = `/proc/${this.#process.pid}/task`;
    try {
      return readdirSync(tasks).every((task) => {
        return /\) [TZX] /.test(readFileSync(`${tasks}/${task}/stat`, 'latin1'));
      });
    } catch {
      // A thread ended in between.
      return false;
    }
  }

  goOn(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#process.kill('SIGCONT');
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!this.isOver) this.#process.kill(signal);
    this.goOn();
    await this.ended;
  }
}

/** Empty for a process or a thread that has ended, and where the system has no such files. */
function linesOf(read: () => string[]): string[] {
  try {
    return read();
  } catch {
    return [];
  }
}
