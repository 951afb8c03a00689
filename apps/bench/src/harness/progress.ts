/**
 * What a run is doing, on stderr: one line that overwrites itself on a terminal, and a line now and
 * then where a file or a pipe listens. Owns that and the time since the beginning.
 */
import process from 'node:process';

/** Between two lines where nobody sits at a terminal; a new case is always told. */
const EVERY_MS = 10_000;
const COLUMNS = 80;

/** Where lines go. */
export interface ProgressOutput {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** One per run. */
export class Progress {
  readonly #output: ProgressOutput;
  readonly #now: () => number;
  readonly #startMs: number;
  #saidMs = Number.NEGATIVE_INFINITY;
  #what = '';

  constructor(
    output: ProgressOutput = process.stderr,
    now: () => number = () => performance.now(),
  ) {
    this.#output = output;
    this.#now = now;
    this.#startMs = now();
  }

  /** Minutes and seconds since the beginning. */
  get elapsed(): string {
    const seconds = Math.floor((this.#now() - this.#startMs) / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  }

  /** A step of something that is named before the first colon. */
  tell(text: string): void {
    const line = `${this.elapsed}  ${text}`;
    if (this.#output.isTTY === true) {
      const most = (this.#output.columns ?? COLUMNS) - 1;
      this.#output.write(`\r\u001B[2K${line.slice(0, most)}`);
      return;
    }
    const [what = ''] = text.split(':');
    const nowMs = this.#now();
    if (what === this.#what && nowMs - this.#saidMs < EVERY_MS) return;
    this.#what = what;
    this.#saidMs = nowMs;
    this.#output.write(`${line}\n`);
  }

  /** Room for a table. */
  clear(): void {
    if (this.#output.isTTY === true) this.#output.write('\r\u001B[2K');
  }
}
