/**
 * A lock that belongs to a file and ends with its process. SQLite's own lock on POSIX systems goes
 * as soon as any code of the same process closes the file, such as a copy for a backup; this one is
 * a listening socket named after the file's device and number, which only its holder can close.
 * Copies of the file have another number, so they do not carry the lock.
 */
import { rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HubStoreError } from './store-error.js';

/** Held until `release`, or until the process ends, however that happens. */
export class FileLock {
  readonly #server: Server | null;

  private constructor(server: Server | null) {
    this.#server = server;
  }

  /**
   * Takes the lock of an existing file; throws STORE_LOCKED while anybody else has it. Windows
   * needs none: there SQLite's lock belongs to the handle. A system that has no such sockets is
   * left with SQLite's lock alone, which stays taken beside this one everywhere.
   */
  static async take(path: string): Promise<FileLock> {
    if (process.platform === 'win32') return new FileLock(null);
    const { dev, ino } = statSync(path, { bigint: true });
    const name = `agentmesh-${dev.toString(36)}-${ino.toString(36)}`;
    // An abstract name leaves nothing behind; it is known within one network namespace.
    if (process.platform === 'linux') return new FileLock(await listenAt(`\0${name}`, path));
    const socket = join(tmpdir(), `${name}.lock`);
    // A process that was killed leaves the name: a process that still holds it answers.
    if (!(await answers(socket))) rmSync(socket, { force: true });
    return new FileLock(await listenAt(socket, path));
  }

  async release(): Promise<void> {
    const server = this.#server;
    if (server !== null) await new Promise<void>((resolve) => void server.close(() => resolve()));
  }
}

function listenAt(name: string, path: string): Promise<Server | null> {
  // A process that connects asks only whether another one is there.
  const server = createServer((visitor) => void visitor.destroy()).unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') reject(new HubStoreError('STORE_LOCKED', { detail: path }));
      else resolve(null);
    });
    // Exclusive: workers of one cluster would share the socket otherwise.
    server.listen({ path: name, exclusive: true }, () => resolve(server));
  });
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = connect(socket);
    const end = (isThere: boolean): void => {
      asking.destroy();
      resolve(isThere);
    };
    asking.once('connect', () => end(true)).once('error', () => end(false));
  });
}
