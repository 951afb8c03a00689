/**
 * Files that only the hub's user may read or write, in folders that others may have prepared.
 * Owns who is trusted with a folder and a file (owner, mode, kind) and how private files are made:
 * never through a link, never over something that is there. What is in them is their owners'.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { textOf } from './server-error.js';

/** For whom files are judged: the user of this process. */
export interface Caller {
  readonly uid: number;
  readonly groups: readonly number[];
}

/**
 * What may be in a file. `folder`: holds the hub's files. `kept`: made by the hub, no link.
 * `secret`: given by the operator, links are followed. `public`: the same, but others may read it.
 */
export type FileRole = 'folder' | 'kept' | 'secret' | 'public';

/** The part of `Stats` that is judged. */
export type Judged = Pick<Stats, 'uid' | 'gid' | 'mode'>;

const ROOT = 0;
const PRIVATE_FILE = 0o600;
const PRIVATE_FOLDER = 0o700;
const STICKY = 0o1000;
const GROUP_READ = 0o040;
const GROUP_WRITE = 0o020;
const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;

/** Null where the system knows no owners (Windows). */
function thisCaller(): Caller | null {
  const uid = process.geteuid?.();
  if (uid === undefined) return null;
  const groups = [process.getegid?.() ?? -1, ...(process.getgroups?.() ?? [])];
  return { uid, groups };
}

/** Why a file or folder cannot be trusted, and what to do; null if it can. */
export function faultOf({ uid, gid, mode }: Judged, role: FileRole, caller: Caller): string | null {
  if (uid !== caller.uid && uid !== ROOT) {
    return `belongs to user ${uid}, the hub runs as user ${caller.uid}: change its owner`;
  }
  const shown = (mode & 0o7777).toString(8).padStart(4, '0');
  const isOurGroup = caller.groups.includes(gid);
  // A group of ours may write to a folder: that is how volumes are given to containers.
  const groupMayWrite = role === 'folder' && isOurGroup;
  if ((mode & OTHERS_WRITE) !== 0 || ((mode & GROUP_WRITE) !== 0 && !groupMayWrite)) {
    const advice = role === 'folder' ? 'chmod go-w it, or use a folder inside it' : 'chmod 600 it';
    return `can be changed by other users (mode ${shown}): ${advice}`;
  }
  if (role === 'folder' || role === 'public') return null;
  const isOpen = (mode & OTHERS_READ) !== 0 || ((mode & GROUP_READ) !== 0 && !isOurGroup);
  return isOpen ? `can be read by other users (mode ${shown}): chmod 600 it` : null;
}

/**
 * Makes the folder if it is missing, for this user only. Returns why it cannot be trusted, or null;
 * throws what the file system says.
 */
export function prepareFolder(path: string): string | null {
  makeFolder(resolve(path));
  const caller = thisCaller();
  if (caller === null) return null;
  const link = lstatSync(path);
  if (link.isSymbolicLink() && link.uid !== caller.uid && link.uid !== ROOT) {
    return `${path} is a link of user ${link.uid}: give the folder itself`;
  }
  const fault = faultOf(statSync(path), 'folder', caller);
  return fault === null ? faultAbove(realpathSync(path)) : `${path} ${fault}`;
}

/** Who may rename what is in a folder above can put another one in the place of this one. */
function faultAbove(path: string): string | null {
  const above = dirname(path);
  if (above === path) return null;
  const { mode } = statSync(above);
  const isFree = (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0;
  return isFree
    ? `${above}, above the data folder, can be changed by other users: chmod o-w it`
    : faultAbove(above);
}

/**
 * `mkdir -p`, one level at a time. The one of Node never returns where a folder exists and takes no
 * other (as `/proc`).
 */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: PRIVATE_FOLDER });
  } catch (error) {
    // Another process was faster.
    if (textOf(error, 'code') !== 'EEXIST') throw error;
  }
}

/** Why a file cannot be trusted, with its path; null if it can, or is not there. */
export function fileFault(path: string, role: Exclude<FileRole, 'folder'>): string | null {
  const look = role === 'kept' ? lstatSync : statSync;
  const stats = look(path, { throwIfNoEntry: false });
  if (stats === undefined) return null;
  if (stats.isSymbolicLink()) return `${path} is a link: the hub makes this file itself, remove it`;
  if (!stats.isFile()) return `${path} is not a file`;
  if (role === 'kept' && stats.nlink > 1) {
    return `${path} has another name, by which it can be read or changed: copy it and remove both`;
  }
  const caller = thisCaller();
  const fault = caller === null ? null : faultOf(stats, role, caller);
  return fault === null ? null : `${path} ${fault}`;
}

/** Takes away from others what they may only read, if the file is ours. */
export function closeToOthers(path: string): void {
  const stats = lstatSync(path);
  const isOurs = stats.isFile() && stats.uid === thisCaller()?.uid;
  const othersWrite = (stats.mode & (GROUP_WRITE | OTHERS_WRITE)) !== 0;
  if (isOurs && !othersWrite && (stats.mode & 0o077) !== 0) chmodSync(path, PRIVATE_FILE);
}

/** Opens a file that was not there, for writing, for this user only; EEXIST for a link too. */
export function createPrivateFile(path: string): number {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  return openSync(path, O_CREAT | O_EXCL | O_WRONLY | noFollow(), PRIVATE_FILE);
}

/** A new private file with this content, on the disk when this returns. */
export function writePrivateFile(path: string, content: string | Uint8Array): void {
  const file = createPrivateFile(path);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The same where a file of an earlier run may lie: that one, or a link, is removed first. */
export function replacePrivateFile(path: string, content: string | Uint8Array): void {
  rmSync(path, { force: true });
  writePrivateFile(path, content);
}

/** Windows has no such flag. */
function noFollow(): number {
  return (constants as { O_NOFOLLOW?: number }).O_NOFOLLOW ?? 0;
}

/** A new file's name is durable only with its folder; Windows cannot do this and need not. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/**
 * Why a folder cannot be trusted to keep a new file of ours, with its path; null if it can. Where
 * others may make files but not remove ours, as in `/tmp`, it can.
 */
export function keepingFault(folder: string): string | null {
  const stats = statSync(folder);
  if (!stats.isDirectory()) return `${folder} is not a folder`;
  const caller = thisCaller();
  if (caller === null) return null;
  const isSticky = (stats.mode & STICKY) !== 0;
  const mode = isSticky ? stats.mode & ~(GROUP_WRITE | OTHERS_WRITE) : stats.mode;
  const fault = faultOf({ uid: stats.uid, gid: stats.gid, mode }, 'folder', caller);
  return fault === null ? null : `${folder} ${fault}`;
}

/** A path as it was meant where no shell has expanded `~`. */
export function expandHome(path: string, home: string = homedir()): string {
  if (path === '~') return home;
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}
