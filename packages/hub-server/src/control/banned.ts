/**
 * Agents that the operator has shut out, by address, in a file beside the hub's data. Owns the file
 * and its reading. It is no part of the database: an older copy of that lets nobody in again.
 */
import { addressOf, aidOfAddress, toBase64Url, visible } from '@agentmesh/protocol';
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileFault, syncFolder, writePrivateFile } from '../private-files.js';
import { lineOf, ServerError, textOf } from '../server-error.js';

const FILE = 'banned';
const HEAD =
  '# Agents that may neither connect nor receive: agentmesh hub ban, agentmesh hub unban.\n';

/** One agent that is shut out. */
export interface BannedAgent {
  readonly address: string;
  /** The name that was banned, and when; empty where the line has none. */
  readonly note: string;
}

/** One per hub. */
export class BannedAgents {
  readonly #path: string;
  /** By base64url of the aid. */
  readonly #agents: Map<string, BannedAgent>;

  private constructor(path: string, agents: Map<string, BannedAgent>) {
    this.#path = path;
    this.#agents = agents;
  }

  /** Reads the file of a data folder; nobody is banned where there is none. */
  static read(folder: string): BannedAgents {
    const path = join(folder, FILE);
    const fault = fileFault(path, 'kept');
    if (fault !== null) throw new ServerError('UNSAFE_FILE', { detail: fault });
    return new BannedAgents(path, agentsIn(path));
  }

  /** In the order in which they were banned. */
  get list(): readonly BannedAgent[] {
    return [...this.#agents.values()];
  }

  has(aid: Uint8Array): boolean {
    return this.#agents.size > 0 && this.#agents.has(toBase64Url(aid));
  }

  /** Whether it was not banned before. */
  add(aid: Uint8Array, note: string): boolean {
    if (this.has(aid)) return false;
    const added = new Map(this.#agents);
    added.set(toBase64Url(aid), { address: addressOf(aid), note: visible(note) });
    this.#keep(added);
    return true;
  }

  /** Whether it was banned. */
  remove(aid: Uint8Array): boolean {
    const left = new Map(this.#agents);
    if (!left.delete(toBase64Url(aid))) return false;
    this.#keep(left);
    return true;
  }

  /** First on the disk, then in force. */
  #keep(agents: ReadonlyMap<string, BannedAgent>): void {
    const lines = [...agents.values()].map(({ address, note }) =>
      note === '' ? `${address}\n` : `${address} # ${note}\n`,
    );
    const next = `${this.#path}.next`;
    try {
      rmSync(next, { force: true });
      writePrivateFile(next, HEAD + lines.join(''));
      renameSync(next, this.#path);
      syncFolder(dirname(this.#path));
    } catch (cause) {
      throw new ServerError('CANNOT_WRITE', { detail: `${this.#path}: ${lineOf(cause)}`, cause });
    }
    this.#agents.clear();
    for (const [key, agent] of agents) this.#agents.set(key, agent);
  }
}

function agentsIn(path: string): Map<string, BannedAgent> {
  const agents = new Map<string, BannedAgent>();
  textIn(path)
    .split('\n')
    .forEach((line, index) => {
      const [entry = '', ...notes] = line.split('#');
      const address = entry.trim();
      if (address === '') return;
      const aid = aidIn(address, `${path}:${index + 1}`);
      agents.set(toBase64Url(aid), { address, note: notes.join('#').trim() });
    });
  return agents;
}

function aidIn(address: string, place: string): Uint8Array {
  try {
    return aidOfAddress(address);
  } catch (cause) {
    throw new ServerError('BAD_OPTION', { detail: `${place} is not an am2 address`, cause });
  }
}

function textIn(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (textOf(cause, 'code') === 'ENOENT') return '';
    throw new ServerError('BAD_OPTION', { detail: `${path} cannot be read`, cause });
  }
}
