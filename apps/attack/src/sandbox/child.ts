/**
 * One process of the sandbox: started, told things and asked for its size. Owns the process only;
 * which program it runs is its machine's matter.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';

const LEASH = new URL('leash.js', import.meta.url).href;

/** One process. */
export class Child {
  readonly #process: ChildProcess;
  readonly ended: Promise<unknown>;
  #errors = '';

  /** `onLine` sees each line of its output. */
  constructor(args: readonly string[], onLine: (line: string) => void) {
    const flags = ['--disable-warning=ExperimentalWarning', `--import=${LEASH}`];
    const env = { ...process.env, AGENTMESH_ATTACK_ROUND: `${process.pid}` };
    this.#process = spawn(process.execPath, [...flags, ...args], { stdio: 'pipe', env });
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

  /** What it said last on its error output. */
  get errors(): string {
    return this.#errors;
  }

  tell(line: object): void {
    if (!this.isOver) this.#process.stdin?.write(`${JSON.stringify(line)}\n`);
  }

  /** Most memory that it has had so far, in MiB; null where the system does not say. */
  peakMebibytes(): number | null {
    try {
      const status = readFileSync(`/proc/${this.#process.pid ?? 0}/status`, 'utf8');
      const kibibytes = /VmHWM:\s+(\d+)/.exec(status)?.[1];
      return kibibytes === undefined ? null : Math.round(Number(kibibytes) / 1_024);
    } catch {
      return null;
    }
  }

  async kill(): Promise<void> {
    if (!this.isOver) this.#process.kill('SIGKILL');
    if (!this.isOver) await this.ended;
  }
}
