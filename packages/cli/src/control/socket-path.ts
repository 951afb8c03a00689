/**
 * Where the socket of an agent is, and whether it can be trusted. Owns its name beside the store,
 * a short one where that is too long for a socket, and the checks of owner and mode.
 */
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { controlError } from './error.js';

/** What `sockaddr_un` takes everywhere: 104 bytes with their end on macOS. */
const LONGEST_PATH = 100;

/** The socket of a store: `alice.sock` beside `alice.db`; a named pipe on Windows. */
export function socketPathOf(storePath: string): string {
  const stem = resolve(storePath).replace(/\.db$/, '');
  if (process.platform === 'win32') return `\\\\.\\pipe\\agentmesh-${hashOf(stem)}`;
  const path = `${stem}.sock`;
  if (Buffer.byteLength(path) <= LONGEST_PATH) return path;
  return join(tmpdir(), `agentmesh-${process.getuid?.() ?? 0}`, `${hashOf(stem)}.sock`);
}

/**
 * Makes the folder of a socket if it is missing. SOCKET_UNSAFE where others could take its name.
 */
export function prepareSocketFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== process.getuid?.() && uid !== 0) {
    throw controlError('SOCKET_UNSAFE', `${folder} belongs to user ${uid}`);
  }
  if ((mode & 0o022) !== 0) {
    throw controlError('SOCKET_UNSAFE', `${folder} can be changed by other users: chmod 700 it`);
  }
}

/** Nobody else connects: also where the umask would have it otherwise. */
export function closeSocketToOthers(path: string): void {
  if (process.platform !== 'win32') chmodSync(path, 0o600);
}

/**
 * Whether a socket is there. SOCKET_UNSAFE where it is another user's, who would see what we say.
 */
export function socketIsThere(path: string): boolean {
  if (process.platform === 'win32') return true;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  if (!stats.isSocket()) throw controlError('SOCKET_UNSAFE', `${path} is not a socket`);
  const own = process.getuid?.();
  // Nothing is hidden from root, and nothing is told to anybody who could not read it anyway.
  if (stats.uid !== own && own !== 0) {
    throw controlError('SOCKET_UNSAFE', `${path} belongs to user ${stats.uid}, not to ${own}`);
  }
  return true;
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
