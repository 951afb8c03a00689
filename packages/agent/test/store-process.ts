/** Processes that write to a store, and what must be in the store after they ended somehow. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AgentStore } from '../src/store/store.js';

const script = fileURLToPath(new URL('store-writer.mjs', import.meta.url));
const door = fileURLToPath(new URL('../dist/node.js', import.meta.url));

/** Row of commit n stays until commit n + KEPT. */
const KEPT = 50;

/** A commit that the process reported, and how long the log was after it. */
export interface Report {
  readonly n: number;
  readonly logBytes: number;
}

/** How a writer is started. */
export interface WriterOptions {
  /** Rows are up to so many bytes. */
  readonly largest?: number;
  /** Commits begun in one turn, at most. */
  readonly burst?: number;
  /** Opens the store and commits nothing. */
  readonly hold?: boolean;
  /** Largest file the process may write, in KiB: writing beyond it fails like a broken disk. */
  readonly fileKiB?: number;
}

/** A process of its own around `store-writer.mjs`. */
export class StoreWriter {
  readonly reports: Report[] = [];
  /** The lines that are no reports. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  #rest = '';
  #heard: () => void = () => undefined;

  constructor(path: string, options: WriterOptions = {}) {
    if (!existsSync(door)) throw new TypeError('build the package first: writers use dist');
    const { largest = 300, burst = 8, hold = false, fileKiB } = options;
    const words = [script, path, `${largest}`, `${burst}`, hold ? 'hold' : 'write'];
    // `ulimit -f` counts blocks of 512 bytes.
    const limit = fileKiB === undefined ? '' : `ulimit -f ${fileKiB * 2};`;
    const command = `${limit} exec "$0" "$@"`;
    this.#child = spawn('sh', ['-c', command, process.execPath, ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#exit = once(this.#child, 'exit');
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
  }

  /** The first line: `open …` or `refused …`. */
  async first(): Promise<string> {
    await this.#until(() => this.lines.length > 0);
    return this.lines[0] ?? '';
  }

  /** Until it has reported so many commits. */
  async reported(commits: number): Promise<void> {
    await this.#until(() => this.reports.length >= commits);
  }

  /** Ends it at once, wherever it is. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended();
  }

  async ended(): Promise<void> {
    await this.#exit;
    await this.#drain();
  }

  /** Stops it where it is; when this returns, all that it reported has been heard. */
  async freeze(): Promise<void> {
    this.#child.kill('SIGSTOP');
    await this.#drain();
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async #until(isHeard: () => boolean): Promise<void> {
    while (!isHeard()) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  async #drain(): Promise<void> {
    let before: number;
    do {
      before = this.reports.length;
      await setTimeout(15);
    } while (this.reports.length > before);
  }

  #hear(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const [n = Number.NaN, logBytes = 0] = line.split(' ').map(Number);
      if (Number.isNaN(n)) this.lines.push(line);
      else this.reports.push({ n, logBytes });
    }
    this.#heard();
  }
}

/** Number of the last commit in an open store; throws if the rows are not exactly its effect. */
export async function lastCommit(store: AgentStore, largest = 300): Promise<number> {
  const [a, b] = [await store.get('a'), await store.get('b')];
  const n = a === null ? 0 : numberOf(a);
  const rows = await store.range({ from: 'log/', to: 'log0', limit: 1_000 });
  const expected = Array.from({ length: Math.min(n, KEPT) }, (_, at) => n - at).toReversed();
  const isTorn =
    (b === null ? 0 : numberOf(b)) !== n ||
    rows.length !== expected.length ||
    rows.some(({ key, value }, at) => !isRow(expected[at] ?? 0, key, value));
  if (isTorn) throw new TypeError(`torn at ${n}: ${rows.map(({ key }) => key).join(' ')}`);
  return n;

  function isRow(number: number, key: string, value: Uint8Array): boolean {
    const length = 8 + ((number * 7_919) % largest);
    const isFilled = value.length === length && value.every((byte) => byte === (number & 0xff));
    return key === `log/${String(number).padStart(9, '0')}` && isFilled;
  }
}

function numberOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset).getUint32(0, true);
}
