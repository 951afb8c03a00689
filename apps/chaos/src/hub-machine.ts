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
import { SmallDisk } from './small-disk.js';

const MAIN = fileURLToPath(new URL('main.js', import.meta.resolve('@agentmesh/hub-server')));

/** One hub over all its lives. */
export class HubMachine {
  readonly disk: SmallDisk;
  readonly #data: string;
  readonly #copy: string;
  #child: Child | null = null;
  #clockMs = 0;
  /** When the copy was made; null without one. */
  copiedMs: number | null = null;
  port = 0;

  /** `diskMiB`: null without a disk of its own. */
  constructor(folder: string, diskMiB: number | null) {
    this.disk = SmallDisk.at(join(folder, 'hub'), diskMiB);
    this.#data = join(this.disk.files, 'data');
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
      const child = new Child(args, this.#clockMs, (line) => {
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

  setClock(clockMs: number): void {
    this.#clockMs = clockMs;
    this.#child?.setClock(clockMs);
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await this.#child?.stop(signal);
  }

  /** Copies the folder of a hub that does not run, or stands still. */
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
