/**
 * The machine of one agent: its files, one process after the other over them, its cable, and copies
 * of its files. Owns a supervisor that starts it again whatever ended it.
 */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Command, ProgramSetup } from './agent-program.js';
import { Cable } from './cable.js';
import { Child } from './child.js';
import { nowMs } from './ledger.js';
import { SmallDisk } from './small-disk.js';

const PROGRAM = fileURLToPath(new URL('agent-program.js', import.meta.url));

/** Where it is, and whom it writes to. */
export interface AgentPlace {
  readonly name: string;
  readonly peers: readonly string[];
  /** Of the whole run. */
  readonly folder: string;
  readonly hubPort: () => number;
  /** Null without a disk of its own. */
  readonly diskMiB: number | null;
}

/** One agent over all its lives. */
export class AgentMachine {
  readonly name: string;
  readonly cable: Cable;
  readonly disk: SmallDisk;
  readonly #place: AgentPlace;
  readonly #files: string;
  readonly #copy: string;
  #child: Child | null = null;
  #isSupervised = true;
  #ready = Promise.withResolvers<void>();
  /** When the copy was made; null without one. */
  copiedMs: number | null = null;
  #clockMs = 0;
  flows = true;
  /** Whether the agent of its present process is there. */
  isReady = false;
  /** How its processes ended that nobody ended. */
  readonly crashes: string[] = [];

  private constructor(place: AgentPlace, cable: Cable) {
    this.name = place.name;
    this.cable = cable;
    this.#place = place;
    this.disk = SmallDisk.at(join(place.folder, place.name), place.diskMiB);
    this.#files = this.disk.files;
    this.#copy = join(place.folder, `${place.name}-copy`);
  }

  static async at(place: AgentPlace): Promise<AgentMachine> {
    return new AgentMachine(place, await Cable.to(place.hubPort));
  }

  get child(): Child | null {
    return this.#child;
  }

  /** Resolves when its agent is there. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  start(): void {
    this.#isSupervised = true;
    if (this.#child !== null && !this.#child.isOver) return;
    const { name, peers, folder } = this.#place;
    const setup: ProgramSetup = {
      name,
      peers,
      port: this.cable.port,
      folder: this.#files,
      ledgers: folder,
      flows: this.flows,
    };
    this.#ready = Promise.withResolvers();
    const { resolve } = this.#ready;
    this.isReady = false;
    const child = new Child([PROGRAM, JSON.stringify(setup)], this.#clockMs, (line) => {
      if (line !== 'ready') return;
      this.isReady = true;
      resolve();
    });
    this.#child = child;
    void child.ended.then(() => {
      if (child.hasCrashed) this.crashes.push(`${name} crashed: ${child.errors}`);
      return this.#startAgain();
    });
  }

  async #startAgain(): Promise<void> {
    await pause(300);
    if (this.#isSupervised && this.#child?.isOver === true) this.start();
  }

  tell(command: Command): void {
    if (command.flow !== undefined) this.flows = command.flow;
    this.#child?.tell(command);
  }

  setClock(clockMs: number): void {
    this.#clockMs = clockMs;
    this.#child?.setClock(clockMs);
  }

  /** Ends it and keeps it ended until {@link start}. */
  async kill(): Promise<void> {
    this.#isSupervised = false;
    await this.#child?.stop('SIGKILL');
  }

  async close(): Promise<void> {
    this.#isSupervised = false;
    this.tell({ close: true });
    const late = pause(15_000).then(() => this.#child?.stop('SIGKILL'));
    await Promise.race([this.#child?.ended, late]);
  }

  /** Copies its files, while it runs. */
  snapshot(): void {
    rmSync(this.#copy, { recursive: true, force: true });
    this.copiedMs = nowMs();
    cpSync(this.#files, this.#copy, { recursive: true });
  }

  /** Puts the copy back; it does not run. */
  restore(): void {
    if (!existsSync(this.#copy)) return;
    rmSync(this.#files, { recursive: true, force: true });
    cpSync(this.#copy, this.#files, { recursive: true });
  }

  /** A copy made before a change of keys has the former keys: their owner would not use it. */
  forgetCopy(): void {
    rmSync(this.#copy, { recursive: true, force: true });
    this.copiedMs = null;
  }
}
