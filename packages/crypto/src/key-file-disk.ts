/**
 * A private file on disk (protocol.md §2.11): read with its permissions checked, created whole or
 * not at all, never overwritten. Owns paths, modes and syncing; does not know what is in the file.
 *
 * A symbolic link to a key file is followed (mounted secrets are links); what counts is the file
 * that was opened, so nothing can be exchanged between check and reading.
 */
import { constants } from 'node:fs';
import { link, mkdir, open, realpath, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { toHex } from './bytes.js';
import { CryptoError } from './errors.js';
import type { RandomSource } from './random.js';

/** A key file has about 700 bytes; the Python package's a few hundred. */
const MAX_BYTES = 16_384;
const OTHERS = 0o077;
const GROUP_READS = 0o040;
/** What only somebody who changes path, owner, mode or mount can mend. */
const FINAL: ReadonlySet<string> = new Set([
  'EACCES',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'ENOTDIR',
  'EPERM',
  'EROFS',
]);
const onWindows = process.platform === 'win32';
/** Without it, opening a named pipe waits for a writer. Windows has neither. */
const READ = onWindows ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK;

/** The bytes of a private file, or null when there is none. `byGroup`: see {@link checkPrivate}. */
export async function readPrivateFile(path: string, byGroup = false): Promise<Uint8Array | null> {
  let file: FileHandle;
  try {
    file = await open(path, READ);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw failure(error, path);
  }
  try {
    await checkPrivate(file, path, byGroup);
    return await readBounded(file, path);
  } catch (error) {
    throw failure(error, path);
  } finally {
    await file.close();
  }
}

/**
 * Creates a private file and its folder, durable when this resolves to true. False when something
 * of that name exists already, be it since this moment: two processes cannot both create it.
 */
export async function createPrivateFile(
  path: string,
  bytes: Uint8Array,
  random: RandomSource,
): Promise<boolean> {
  const folder = dirname(resolve(path));
  const temporary = join(folder, `.agentmesh-${toHex(random(8))}.tmp`);
  try {
    await makeFolder(folder);
    const file = await open(temporary, 'wx', 0o600);
    try {
      await writeAndClose(file, bytes);
      const created = await linkUnlessPresent(temporary, path);
      await syncFolder(folder);
      return created;
    } finally {
      await unlink(temporary);
    }
  } catch (error) {
    throw failure(error, path);
  }
}

/**
 * Puts one private file of a folder in the place of another, in one durable step. A reader of
 * the name gets the one or the other, whole.
 */
export async function replacePrivateFile(path: string, by: string): Promise<void> {
  try {
    await rename(by, path);
    await syncFolder(dirname(resolve(path)));
  } catch (error) {
    throw failure(error, path);
  }
}

/** Removes a private file, durably; one that is not there is gone already. */
export async function removePrivateFile(path: string): Promise<void> {
  try {
    await unlink(path);
    await syncFolder(dirname(resolve(path)));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw failure(error, path);
  }
}

/** Where a file really is, links followed; the path itself when there is no such file. */
export async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return resolve(path);
    throw failure(error, path);
  }
}

/** `byGroup`: a group of this process may read it too, as secrets are mounted for containers. */
async function checkPrivate(file: FileHandle, path: string, byGroup: boolean): Promise<void> {
  const stat = await file.stat();
  const { mode, gid } = stat;
  if (!stat.isFile()) throw new CryptoError('KEY_FILE_MALFORMED', `${path} is not a file`);
  if (onWindows || (mode & OTHERS) === 0) return;
  const isOfGroup = (mode & OTHERS) === GROUP_READS && isOwnGroup(gid);
  if (isOfGroup && byGroup) return;
  const advice = `run chmod 600 ${shellWord(path)}`;
  const mounted = isOfGroup ? `, or set groupReadable if it is a mounted secret of this group` : '';
  throw new CryptoError('KEY_FILE_PERMISSIONS', `${advice}${mounted}`);
}

function isOwnGroup(gid: number): boolean {
  return process.getegid?.() === gid || process.getgroups?.().includes(gid) === true;
}

async function readBounded(file: FileHandle, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(MAX_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
    length += bytesRead;
    if (length > MAX_BYTES) {
      throw new CryptoError('KEY_FILE_MALFORMED', `${path} has more than ${MAX_BYTES} bytes`);
    }
    if (bytesRead === 0) return bytes.subarray(0, length);
  }
}

async function writeAndClose(file: FileHandle, bytes: Uint8Array): Promise<void> {
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** rename() would overwrite; link() fails when the name is taken, in one step for all processes. */
async function linkUnlessPresent(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Makes missing folders, for the owner only, and syncs the names of those it made. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    await syncFolder(dirname(made));
  }
}

/** Makes names in a folder durable. Windows has no such call for folders. */
async function syncFolder(folder: string): Promise<void> {
  if (onWindows) return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Turns the system's error into ours; it names path and call, never contents. */
function failure(error: unknown, path: string): CryptoError {
  if (error instanceof CryptoError) return error;
  const code = codeOf(error);
  return new CryptoError('KEY_FILE_IO', `${code} at ${path}`, error, FINAL.has(code));
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : 'unknown error';
}

function shellWord(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
