/**
 * A small disk for the files of one machine, which can be full. Owns mounting it where the system
 * lets us, filling and emptying it; elsewhere there is none, and a fault that needs one says so.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, cpSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

const CHUNKS = [64 * 1024, 1024, 1];

/** A folder, on a disk of its own if that can be had. */
export class SmallDisk {
  readonly #mount: string;
  /** Whether it can be filled. */
  readonly isReal: boolean;

  private constructor(mount: string, isReal: boolean) {
    this.#mount = mount;
    this.isReal = isReal;
    mkdirSync(this.files, { recursive: true });
  }

  /** `mebibytes`: null for no disk of its own. */
  static at(folder: string, mebibytes: number | null): SmallDisk {
    mkdirSync(folder, { recursive: true });
    return new SmallDisk(folder, mebibytes !== null && mounted(folder, mebibytes));
  }

  /** Where the files of its machine are. */
  get files(): string {
    return join(this.#mount, 'files');
  }

  /** No byte more. */
  fill(): void {
    if (!this.isReal) return;
    const file = openSync(join(this.#mount, 'filler'), 'a');
    for (const bytes of CHUNKS) fillBy(file, Buffer.alloc(bytes));
    closeSync(file);
  }

  empty(): void {
    rmSync(join(this.#mount, 'filler'), { force: true });
  }

  /** Its files stay where they were when it is closed. */
  keep(): void {
    if (!this.isReal) return;
    const copy = `${this.#mount}-kept`;
    cpSync(this.files, copy, { recursive: true });
  }

  close(): void {
    if (this.isReal) execFileSync('umount', ['-l', this.#mount]);
  }
}

function mounted(folder: string, mebibytes: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    const args = ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'agentmesh-chaos', folder];
    execFileSync('mount', args, { stdio: 'ignore' });
    return true;
  } catch {
    // Only who may mount has such disks.
    return false;
  }
}

function fillBy(file: number, chunk: Buffer): void {
  try {
    for (;;) writeSync(file, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
