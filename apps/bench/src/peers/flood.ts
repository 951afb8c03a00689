/**
 * A flood, seen from outside: started, counted, ended. What it does, `servers/flooder` knows; it is
 * a process of its own, so that whoever is measured beside it does not share its time.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { BenchError } from '../harness/bench-error.js';
import type { FloodCount } from '../servers/flooder.js';

const PROGRAM = fileURLToPath(new URL('../servers/flooder.js', import.meta.url));
const PATIENCE_MS = 30_000;
const POLL_MS = 5;
/** From its first message until it is in full swing. */
const ONSET = 2_000;

const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** What it did in each second between two moments. */
export interface FloodRates {
  readonly offered: number;
  readonly delivered: number;
}

/** One flood of a hub. */
export class Flood {
  readonly #child: ChildProcess;
  #last: FloodCount = { atMs: 0, sent: 0, accepted: 0, delivered: 0 };
  #first = this.#last;

  private constructor(port: number) {
    const stdio = ['ignore', 'pipe', 'inherit'] as const;
    this.#child = spawn(process.execPath, [PROGRAM, String(port)], { stdio: [...stdio] });
    alive.add(this.#child);
    this.#child.once('exit', () => alive.delete(this.#child));
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        this.#last = JSON.parse(line) as FloodCount;
      });
    }
  }

  /** Resolves when it is in full swing. */
  static async of(port: number): Promise<Flood> {
    const flood = new Flood(port);
    await flood.#until(() => flood.#last.delivered >= ONSET);
    flood.#first = flood.#last;
    return flood;
  }

  /** Since it was in full swing. */
  rates(): FloodRates {
    const [first, last] = [this.#first, this.#last];
    const seconds = (last.atMs - first.atMs) / 1_000;
    return {
      offered: (last.sent - first.sent) / seconds,
      delivered: (last.delivered - first.delivered) / seconds,
    };
  }

  /** Gives how many messages have arrived in all. */
  async stop(): Promise<number> {
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGTERM');
    await this.#until(() => this.#child.exitCode !== null);
    await closed;
    return this.#last.delivered;
  }

  async #until(isSo: () => boolean): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    while (!isSo()) {
      if (performance.now() > endMs) {
        this.#child.kill('SIGKILL');
        throw new BenchError('PEER_FAILED', 'the flood does not get on');
      }
      await pause(POLL_MS);
    }
  }
}
