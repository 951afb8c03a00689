/**
 * Child processes of example 5 and their news, one JSON object a line. Owns starting, waiting for a
 * piece of news, and making sure that none is left over.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { DemoError } from '../demo-error.js';

/** What an agent's process tells. */
export interface News {
  readonly what: 'ready' | 'sent' | 'delivered' | 'received';
  readonly text: string;
}

/** A process that tells its news in lines of JSON. */
export class Child {
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #news: Record<string, unknown>[] = [];
  readonly #arrivals = new Set<() => void>();
  readonly ended: Promise<void>;
  #isOver = false;

  /** Runs `script` with this Node. */
  constructor(name: string, script: string, args: readonly string[]) {
    this.#name = name;
    this.#process = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#process.once('exit', () => {
      this.#isOver = true;
      resolve();
      this.#wake();
    });
    if (this.#process.stdout === null) return;
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      this.#news.push(JSON.parse(line) as Record<string, unknown>);
      this.#wake();
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The first news of which this field has this value; waits for it. */
  async until(field: string, value: string): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.#news.find((news) => news[field] === value);
      if (found !== undefined) return found;
      if (this.#isOver) throw new DemoError(`${this.#name} ended before "${value}"`);
      await new Promise<void>((resolve) => {
        this.#arrivals.add(resolve);
      });
    }
  }

  /** Asks the process to end and waits until it has. */
  async stop(): Promise<void> {
    if (!this.#isOver) this.#process.kill('SIGTERM');
    await this.ended;
  }

  #wake(): void {
    const waiting = Array.from(this.#arrivals);
    this.#arrivals.clear();
    for (const wake of waiting) wake();
  }
}
