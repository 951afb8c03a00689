/**
 * A real `agentmesh-hub` process, killed or stopped and started again over the same folder and at
 * the same port.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SqliteHubStore } from '@agentmesh/hub-server';

const MAIN = fileURLToPath(new URL('../../../hub-server/dist/main.js', import.meta.url));

/** One hub over all its lives. */
export class HubCommand {
  /** Where its data lies. */
  readonly folder: string;
  /** The same in every life. */
  port = 0;
  #child: ChildProcess | null = null;

  constructor(folder: string) {
    this.folder = join(folder, 'hub');
  }

  /** Resolves when it listens. Its port may be somebody's for a moment while it is down. */
  async start(): Promise<void> {
    for (let tries = 0; tries < 40; tries++) {
      if (await this.#listens()) return;
      await sleep(500);
    }
    throw new TypeError('the hub did not start');
  }

  /** Starts it; false where it has ended instead, and has said why. */
  async #listens(): Promise<boolean> {
    const args = ['--port', String(this.port), '--data', this.folder];
    const child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      const said = JSON.parse(line) as { msg: string; port: number };
      if (said.msg !== 'listening') continue;
      this.port = said.port;
      child.stdout.resume();
      return true;
    }
    return false;
  }

  /** Envelopes that wait in it; it is stopped. */
  async queued(): Promise<number> {
    const store = await SqliteHubStore.open({ folder: this.folder });
    const { envelopes } = await store.counts();
    await store.close();
    return envelopes;
  }

  /** Ends it: at once, or in order with SIGTERM. */
  async stop(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}
