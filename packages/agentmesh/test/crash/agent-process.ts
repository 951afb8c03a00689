/**
 * One life of a real agent process: started over the files of its earlier lives, told what to do,
 * killed. Owns the process; what must be true afterwards is `oracle`'s.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('crashing-agent.mjs', import.meta.url));
/** The script reaches into single modules of the agent, which the bundle has of its own. */
const UNBUNDLED = new URL('../../../../scripts/unbundled.mjs', import.meta.url).href;
const lives = new Map<string, number>();

/** How an agent is started. */
export interface AgentSetup {
  readonly folder: string;
  readonly name: string;
  readonly port: number;
  /**
   * The point at which it kills itself, and how often it passes there before; `rotating`: from the
   * change of its identity on.
   */
  readonly plan?: {
    readonly point: string;
    readonly passes?: number;
    readonly rotating?: boolean;
  };
  /** Its clock is so far from the machine's. */
  readonly clockMs?: number;
  /** Its version of the library has one more step of the schema. */
  readonly step?: boolean;
  /** Another program than the usual one. */
  readonly program?: string;
}

type Command =
  | { readonly send: { readonly to: string; readonly count: number; readonly bytes: number } }
  | { readonly flow: readonly string[] }
  | { readonly ask: string }
  | { readonly rotate: true }
  | { readonly rest: true }
  | { readonly close: true };

/** One life. */
export class AgentProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #lines: Record<string, unknown>[] = [];
  #stderr = '';
  /** `news`: another line, or the end. */
  readonly #events = new EventEmitter().setMaxListeners(0);

  constructor(setup: AgentSetup) {
    const { folder, name, port, plan, clockMs = 0, step = false, program = SCRIPT } = setup;
    this.name = name;
    const life = (lives.get(`${folder}/${name}`) ?? 0) + 1;
    lives.set(`${folder}/${name}`, life);
    const told = JSON.stringify({ folder, name, port, plan, clockMs, step, life });
    const flags = ['--disable-warning=ExperimentalWarning'];
    this.#child = spawn(process.execPath, [...flags, '--import', UNBUNDLED, program, told], {
      stdio: 'pipe',
    });
    this.#exit = once(this.#child, 'exit').then(() => this.#events.emit('news'));
    this.#child.stdin?.on('error', () => undefined);
    this.#child.stderr?.on('data', (bytes: Buffer) => (this.#stderr += bytes.toString()));
    if (this.#child.stdout === null) throw new TypeError('no pipe');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#lines.push(JSON.parse(line) as Record<string, unknown>);
      this.#events.emit('news');
    });
  }

  get isDead(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Milliseconds from the start of the process until the agent was there. */
  async ready(): Promise<number> {
    return Number(await this.#said('ready'));
  }

  tell(command: Command): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** Sends so many messages at once; resolves when each was accepted or refused. */
  async send(to: string, count: number, bytes = 0): Promise<void> {
    this.tell({ send: { to, count, bytes } });
    await this.#said('sent');
  }

  /** Ends its traffic; resolves when nothing is left in its outbox and inbox. */
  async rest(): Promise<void> {
    this.tell({ rest: true });
    await this.#said('rested');
  }

  async close(): Promise<void> {
    this.tell({ close: true });
    await this.#said('closed');
    await this.#exit;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  /** Resolves when it has killed itself; rejects when it ended in any other way. */
  async killed(): Promise<void> {
    await this.#exit;
    if (this.#child.signalCode !== 'SIGKILL') throw new TypeError(this.#ending());
  }

  async #said(what: string): Promise<unknown> {
    for (;;) {
      const at = this.#lines.findIndex((line) => what in line);
      if (at >= 0) return this.#lines.splice(at, 1)[0]?.[what];
      if (this.isDead) throw new TypeError(this.#ending());
      await once(this.#events, 'news');
    }
  }

  #ending(): string {
    const { exitCode, signalCode } = this.#child;
    return `${this.name} ended with ${exitCode ?? signalCode}\n${this.#stderr}`;
  }
}
