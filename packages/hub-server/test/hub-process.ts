/**
 * A real hub process that is killed and started again over the same folder.
 * Owns the process; what is sent to it is `crash-load`.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { FailpointName } from '../src/index.js';
import { freezeProcess } from './frozen-process.js';

const SCRIPT = fileURLToPath(new URL('crashing-hub.mjs', import.meta.url));

/** Where a hub is to kill itself, and after how many passes. */
export interface KillPlan {
  readonly point: FailpointName;
  readonly passes: number;
}

/** One life of a hub. */
export class HubProcess {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  port = 0;
  /** From the first line of the program to `listening`. */
  startMs = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exit = once(child, 'exit');
  }

  /** Resolves when the hub listens, or is dead before. */
  static async start(folder: string, plan?: KillPlan): Promise<HubProcess> {
    const args = [SCRIPT, folder, plan?.point ?? 'none', String(plan?.passes ?? 0)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const hub = new HubProcess(child);
    const lines = createInterface({ input: child.stdout });
    const line = await Promise.race([once(lines, 'line'), hub.#exit.then(() => null)]);
    if (line !== null) {
      const said = JSON.parse(String(line[0])) as { port: number; startMs: number };
      hub.port = said.port;
      hub.startMs = said.startMs;
    }
    return hub;
  }

  get isDead(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** How it ended: the signal that killed it, or null. */
  get signal(): string | null {
    return this.#child.signalCode;
  }

  async died(): Promise<void> {
    if (!this.isDead) await this.#exit;
  }

  /** Stops without a word: its connections stay open, and nobody answers on them. */
  freeze(): Promise<void> {
    return freezeProcess(this.#child);
  }

  async kill(): Promise<void> {
    if (!this.isDead) this.#child.kill('SIGKILL');
    await this.died();
  }
}
