/**
 * What a profile remembers beside keys and store: name, hub, and what happens when mail comes. Owns
 * the file, which only its owner may write: it names programs to run.
 */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { controlError } from '../control/error.js';

/** What is remembered. */
export interface Settings {
  /** Name on the hub. */
  readonly name: string;
  /** The hub; null for the one of this user, which `agentmesh up` runs. */
  readonly hub: HubSettings | null;
  readonly acceptFrom: 'anyone' | 'ask' | 'known';
  readonly wake: WakeSettings | null;
}

/** Where the hub is. */
export interface HubSettings {
  readonly hosts: readonly string[];
  readonly hubKey?: string | undefined;
  readonly token?: string | undefined;
}

/** What runs when mail comes. */
export interface WakeSettings {
  readonly exec: string;
  readonly batchMs?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly from?: string | undefined;
  readonly limitMs?: number | undefined;
}

const FORMAT = 1;

/** The settings of a profile; null if there are none. BAD_SETTINGS. */
export function readSettings(path: string): Settings | null {
  return read(path, checked);
}

/** Where the hub of this user listens. */
export interface OwnHub {
  readonly host: string;
  readonly port: number;
  /** What new agents show where other machines reach the hub. */
  readonly token?: string | undefined;
}

/** Where the hub of a home listens; null if it never ran. BAD_SETTINGS. */
export function readOwnHub(home: string): OwnHub | null {
  return read(ownHubPath(home), (value: OwnHub) => {
    const { host, port, token } = value;
    if (typeof host !== 'string' || !Number.isInteger(port)) throw new TypeError('host and port');
    if (token !== undefined && typeof token !== 'string') throw new TypeError('token: a text');
    return { host, port, token };
  });
}

/** Remembers where it listens: invites name it. */
export function writeOwnHub(home: string, { host, port, token }: OwnHub): void {
  write(ownHubPath(home), { host, port, token });
}

function ownHubPath(home: string): string {
  return join(home, 'hub.json');
}

function read<T>(path: string, check: (value: T) => T): T | null {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return null;
  if (process.platform !== 'win32') {
    const own = process.getuid?.();
    if (stats.uid !== own) throw controlError('BAD_SETTINGS', `${path} is not yours`);
    if ((stats.mode & 0o077) !== 0) {
      throw controlError('BAD_SETTINGS', `${path} is open to others: chmod 600 it`);
    }
  }
  try {
    const { format, ...value } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    if (format !== FORMAT) throw new TypeError(`format ${String(format)}, known here: ${FORMAT}`);
    return check(value as T);
  } catch (error) {
    throw controlError('BAD_SETTINGS', `${path}: ${(error as Error).message}`, error);
  }
}

/** Writes them: whole, or not at all. */
export function writeSettings(path: string, settings: Settings): void {
  write(path, settings);
}

function write(path: string, value: object): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.${process.pid}.next`;
  const text = `${JSON.stringify({ format: FORMAT, ...value }, null, 2)}\n`;
  writeFileSync(next, text, { mode: 0o600, flush: true });
  renameSync(next, path);
}

function checked(settings: Settings): Settings {
  const { name, hub, acceptFrom, wake } = settings;
  if (typeof name !== 'string') throw new TypeError('name: a text');
  if (hub !== null && (!Array.isArray(hub.hosts) || hub.hosts.length === 0)) {
    throw new TypeError('hub.hosts: a list of addresses');
  }
  if (!['anyone', 'ask', 'known'].includes(acceptFrom)) {
    throw new TypeError('acceptFrom: anyone, ask or known');
  }
  if (wake !== null && (typeof wake.exec !== 'string' || wake.exec === '')) {
    throw new TypeError('wake.exec: a command');
  }
  return settings;
}
