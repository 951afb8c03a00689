/**
 * The hub's machine: one process after the other over one folder, and copies of that folder. Owns
 * starting it again whatever ended it.
 */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child } from './child.js';
import { nowMs } from './ledger.js';

const MAIN = fileURLToPath(new URL('main.js', import.meta.resolve('@agentmesh/hub-server')));

/** One hub over all its lives. */
export class HubMachine {
  readonly #data: string;
  readonly #copy: string;
  #child: Child | null = null;
  /** When the copy was made; null without one. */
  copiedMs: number | null = null;
  port = 0;

  constructor(folder: string) {
    this.#data = join(folder, 'hub');
    this.#copy = join(folder, 'hub-backup');
  }

  get child(): Child | null {
    return this.#child;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    for (let attempt = 0; attempt < 50; attempt++) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const args = [MAIN, '--port', String(this.port), '--data', this.#data];
      const child = new Child(args, (line) => {
        const said = JSON.parse(line) as { msg: string; port: number };
        if (said.msg !== 'listening') return;
        this.port = said.port;
        resolve(true);
      });
      this.#child = child;
      void child.ended.then(() => resolve(false));
      if (await promise) return;
      await pause(100);
    }
    throw new TypeError(`the hub does not start: ${this.#child?.errors ?? ''}`);
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await this.#child?.stop(signal);
  }

  /** Copies the folder of a hub that does not run. */
  backup(): void {
    rmSync(this.#copy, { recursive: true, force: true });
    cpSync(this.#data, this.#copy, { recursive: true });
    this.copiedMs = nowMs();
  }

  /** Puts the copy back; the hub does not run. */
  restore(): void {
    if (!existsSync(this.#copy)) return;
    rmSync(this.#data, { recursive: true, force: true });
    cpSync(this.#copy, this.#data, { recursive: true });
  }
}
