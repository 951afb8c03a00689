/**
 * A hub of the kit's own: the command `agentmesh-hub` in a process and a folder that go away. Owns
 * its start and its end.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CannotTry } from '../attack.js';
import type { Target } from '../target.js';
import { Child } from './child.js';

const MAIN = fileURLToPath(new URL('main.js', import.meta.resolve('@agentmesh/hub-server')));

/** A running hub. */
export class OwnHub {
  readonly child: Child;
  readonly folder: string;
  readonly target: Target;

  private constructor(child: Child, folder: string, target: Target) {
    this.child = child;
    this.folder = folder;
    this.target = target;
  }

  /** Starts it in a new folder below `parent`; `flags` are those of `agentmesh-hub`. */
  static async start(
    parent: string,
    flags: readonly string[] = [],
    secure = true,
  ): Promise<OwnHub> {
    mkdirSync(parent, { recursive: true, mode: 0o700 });
    const folder = join(parent, 'hub');
    const { promise, resolve } = Promise.withResolvers<{ port: number; hubKey: string } | null>();
    const args = [MAIN, '--port', '0', '--data', folder, ...flags];
    const child = new Child(args, (line) => {
      const said = JSON.parse(line) as { msg: string; port: number; hubKey: string };
      if (said.msg === 'listening') resolve(said);
    });
    void child.ended.then(() => resolve(null));
    const listening = await promise;
    if (listening === null) throw new CannotTry(`the hub does not start: ${child.errors.trim()}`);
    const { port, hubKey } = listening;
    const token = flags.includes('token') ? firstToken(folder) : null;
    return new OwnHub(child, folder, { host: '127.0.0.1', port, secure, hubKey, token });
  }

  stop(): Promise<void> {
    return this.child.kill();
  }
}

function firstToken(folder: string): string | null {
  const lines = readFileSync(join(folder, 'tokens'), 'utf8').split('\n');
  return lines.find((line) => line !== '' && !line.startsWith('#')) ?? null;
}
