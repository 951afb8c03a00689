/**
 * The hub's machine: one process after the other over one folder, and copies of that folder. Owns
 * starting it again whatever ended it.
 */
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Child } from './child.js';
import { nowMs } from './ledger.js';
import { SmallDisk } from './small-disk.js';

const MAIN = fileURLToPath(new URL('main.js', import.meta.resolve('@agentmesh/hub-server')));
const START_MS = 120_000;
const SAVE_MS = 20_000;

/** The command `agentmesh`. */
const COMMAND = fileURLToPath(new URL('main.bundle.js', import.meta.resolve('agentmesh')));

/** What a hub is started from. */
export interface HubPlace {
  readonly name: string;
  /** Of the whole run. */
  readonly folder: string;
  /** Null without a disk of its own. */
  readonly diskMiB: number | null;
  /** Nodes of NATS that hold what several hubs share; none for files of its own. */
  readonly nodes: readonly string[];
  /** Checkout of an earlier build, with which it begins; null for none. */
  readonly former: string | null;
}

/** One hub over all its lives. */
export class HubMachine {
  readonly name: string;
  readonly disk: SmallDisk;
  readonly #store: readonly string[];
  #main: string;
  readonly #data: string;
  readonly #copy: string;
  #child: Child | null = null;
  #clockMs = 0;
  /** When the copy was made; null without one. */
  copiedMs: number | null = null;
  port = 0;

  constructor({ name, folder, diskMiB, nodes, former }: HubPlace) {
    this.name = name;
    this.disk = SmallDisk.at(join(folder, name), diskMiB);
    this.#data = join(this.disk.files, 'data');
    this.#copy = join(folder, `${name}-backup`);
    this.#main = former === null ? MAIN : join(former, 'packages/hub-server/dist/main.js');
    const key = ['--hub-key-file', join(folder, 'hub.key')];
    this.#store = nodes.length === 0 ? [] : ['--store', nodes.join(','), ...key];
  }

  /** From its next start on it is of the present build. */
  upgrade(): void {
    this.#main = MAIN;
  }

  get child(): Child | null {
    return this.#child;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const untilMs = nowMs() + START_MS;
    while (nowMs() < untilMs) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const args = [this.#main, '--port', String(this.port), '--data', this.#data, ...this.#store];
      const onLine = (line: string): void => {
        const said = JSON.parse(line) as { msg: string; port: number };
        if (said.msg !== 'listening') return;
        this.port = said.port;
        resolve(true);
      };
      const child = new Child({ args, clockMs: this.#clockMs, onLine });
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

  /** As its operator does, while it runs; false where it does not answer. */
  async save(): Promise<boolean> {
    const file = `${this.#copy}.db`;
    rmSync(file, { force: true });
    const args = [COMMAND, 'hub', 'backup', file, '--data', this.#data];
    const command = new Child({ args, clockMs: this.#clockMs, onLine: () => undefined });
    const savedMs = nowMs();
    await Promise.race([command.ended, pause(SAVE_MS)]);
    await command.stop('SIGKILL');
    if (!existsSync(file)) return false;
    rmSync(this.#copy, { recursive: true, force: true });
    mkdirSync(this.#copy);
    renameSync(file, join(this.#copy, 'hub.db'));
    this.copiedMs = savedMs;
    return true;
  }

  /** Puts the copy back; the hub does not run. */
  restore(): void {
    if (!existsSync(this.#copy)) return;
    rmSync(this.#data, { recursive: true, force: true });
    cpSync(this.#copy, this.#data, { recursive: true });
  }
}
