/**
 * The machine of one agent: its files, one process after the other over them, its cable, and copies
 * of its files. Owns a supervisor that starts it again whatever ended it.
 */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Command, ProgramSetup } from './agent-program.js';
import { Cable } from './cable.js';
import { Child } from './child.js';
import { nowMs, TWIN } from './ledger.js';
import { SmallDisk } from './small-disk.js';

const PROGRAM = fileURLToPath(new URL('agent-program.js', import.meta.url));

/** Where it is, and whom it writes to. */
export interface AgentPlace {
  readonly name: string;
  readonly peers: readonly string[];
  /** Of the whole run. */
  readonly folder: string;
  readonly hubs: readonly { readonly port: number }[];
  /** Checkout of an earlier build, with which it begins; null for none. */
  readonly former: string | null;
  /** Null without a disk of its own. */
  readonly diskMiB: number | null;
}

/** One agent over all its lives. */
export class AgentMachine {
  readonly name: string;
  /** To each hub; the first is tried first. */
  readonly cables: readonly Cable[];
  readonly disk: SmallDisk;
  readonly #place: AgentPlace;
  readonly #files: string;
  readonly #copy: string;
  #program: string;
  #child: Child | null = null;
  #isSupervised = true;
  #ready = Promise.withResolvers<void>();
  /** When the copy was made; null without one. */
  copiedMs: number | null = null;
  #clockMs = 0;
  flows = true;
  /** Whether the agent of its present process is there. */
  isReady = false;
  /** Ledgers of copies that ran beside it. */
  readonly twins: string[] = [];
  /** How its processes ended that nobody ended. */
  readonly crashes: string[] = [];

  private constructor(place: AgentPlace, cables: readonly Cable[]) {
    this.name = place.name;
    this.cables = cables;
    this.#place = place;
    this.disk = SmallDisk.at(join(place.folder, place.name), place.diskMiB);
    this.#files = this.disk.files;
    this.#copy = join(place.folder, `${place.name}-copy`);
    const { former } = place;
    this.#program = former === null ? PROGRAM : join(former, 'apps/chaos/dist', basename(PROGRAM));
  }

  static async at(place: AgentPlace): Promise<AgentMachine> {
    const cables = place.hubs.map((hub) => Cable.to(() => hub.port));
    return new AgentMachine(place, await Promise.all(cables));
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
    this.#ready = Promise.withResolvers();
    const { resolve } = this.#ready;
    this.isReady = false;
    const { name: ledger, flows } = this;
    const own = { folder: this.#files, ledger, flows, program: this.#program };
    const child = this.#run(own, (line) => {
      if (line !== 'ready') return;
      this.isReady = true;
      resolve();
    });
    this.#child = child;
    void child.ended.then(() => {
      if (child.hasCrashed) this.crashes.push(`${this.name} crashed: ${child.errors}`);
      return this.#startAgain();
    });
  }

  #run(
    { program, ...own }: Pick<ProgramSetup, 'folder' | 'flows' | 'ledger'> & { program: string },
    onLine: (line: string) => void,
  ): Child {
    const { name, peers, folder: ledgers } = this.#place;
    const ports = this.cables.map(({ port }) => port);
    const [port = 0] = ports;
    const setup: ProgramSetup = { name, peers, port, ports, clockMs: 0, ledgers, ...own };
    const args = [program, JSON.stringify(setup)];
    return new Child({ args, clockMs: this.#clockMs, onLine });
  }

  /** From its next start on it is of the present build. */
  upgrade(): void {
    this.#program = PROGRAM;
  }

  /** Runs a copy of what runs beside it for a while: it handles, and sends nothing of its own. */
  async runTwin(ms: number): Promise<void> {
    const folder = `${this.#copy}-twin`;
    rmSync(folder, { recursive: true, force: true });
    cpSync(this.#files, folder, { recursive: true });
    const ledger = `${this.name}${TWIN}${this.twins.length + 1}`;
    this.twins.push(ledger);
    const own = { folder, ledger, flows: false, program: PROGRAM };
    const twin = this.#run(own, () => undefined);
    await pause(ms);
    await twin.stop('SIGKILL');
    if (twin.hasCrashed) this.crashes.push(`a twin of ${this.name} crashed: ${twin.errors}`);
    rmSync(folder, { recursive: true, force: true });
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
