/**
 * A shell that types what a guide prints: the blocks marked `sh`, in one session, with ports that
 * are free here. Owns the session and ends all that was started in it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HUB = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** The `sh` blocks of one section of a guide, in their order. */
export function shellBlocks(guide: string, heading: string): string[] {
  const section = guide.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? '');
}

const PATIENCE_MS = 60_000;

/** First digits of the guide's ports, and what stands for them here. */
type Ports = ReadonlyMap<string, string>;

export class Shell {
  readonly folder = mkdtempSync(join(tmpdir(), 'agentmesh-by-hand-'));
  readonly #ports: Ports;
  readonly #bash: ChildProcess;
  #text = '';
  #typed = 0;

  private constructor(ports: Ports) {
    this.#ports = ports;
    const bin = join(this.folder, 'bin');
    mkdirSync(bin);
    const command = `#!/bin/sh\nexec "${process.execPath}" "${HUB}" "$@"\n`;
    writeFileSync(join(bin, 'agentmesh-hub'), command);
    chmodSync(join(bin, 'agentmesh-hub'), 0o755);
    const cwd = join(this.folder, 'here');
    mkdirSync(cwd);
    const PATH = `${bin}:${process.env['PATH']}:/usr/sbin`;
    const env = { ...process.env, PATH };
    // A group of its own, so that what it leaves running can be ended.
    this.#bash = spawn('bash', ['-e'], { cwd, env, detached: true, stdio: 'pipe' });
    for (const stream of [this.#bash.stdout, this.#bash.stderr]) {
      stream?.on('data', (bytes: Buffer) => (this.#text += bytes.toString()));
    }
  }

  /** `prefixes`: the guide's ports without their last digit, which is 1 to 3. */
  static async open(prefixes: readonly string[]): Promise<Shell> {
    for (;;) {
      const base = 200 + Math.floor(Math.random() * 400);
      const ports = new Map(prefixes.map((prefix, at) => [prefix, `${base}${at}`]));
      const all = [...ports.values()].flatMap((prefix) => [1, 2, 3].map((n) => `${prefix}${n}`));
      const free = await Promise.all(all.map((port) => isFree(Number(port))));
      if (free.every(Boolean)) return new Shell(ports);
    }
  }

  /** The port that stands here for one of the guide's. */
  port(guides: number): number {
    return Number(this.here(String(guides)));
  }

  /** A text of the guide with the ports of here. */
  here(text: string): string {
    const prefixes = [...this.#ports.keys()].join('|');
    const pattern = new RegExp(`\\b(${prefixes})(?=[1-3]\\b|\\$n)`, 'g');
    return text.replace(pattern, (prefix) => this.#ports.get(prefix) ?? prefix);
  }

  /** Types one block and waits until the shell is ready for the next; throws if a line failed. */
  async type(block: string): Promise<string> {
    this.#typed += 1;
    const marker = `typed ${this.#typed} of this session`;
    const from = this.#text.length;
    this.#bash.stdin?.write(`${this.here(block)}\necho "${marker}"\n`);
    const endMs = Date.now() + PATIENCE_MS;
    while (!this.#text.includes(marker)) {
      if (this.#bash.exitCode !== null || Date.now() > endMs)
        throw new Error(`${block}\n${this.#text.slice(from)}`);
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
    return this.#text.slice(from);
  }

  /** Ends the session and whatever still runs in it. */
  async close(): Promise<void> {
    const { pid, exitCode } = this.#bash;
    const exit = exitCode === null ? once(this.#bash, 'exit') : null;
    try {
      // What it started lives on in its group, also when the shell itself has ended.
      if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    } catch {
      // Nothing was left.
    }
    await exit;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const taken = once(server, 'error').then(() => false);
  server.listen(port, '127.0.0.1');
  const result = await Promise.race([once(server, 'listening').then(() => true), taken]);
  server.close();
  return result;
}
