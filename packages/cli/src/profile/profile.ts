/**
 * Where an agent of this user is: keys, store, socket and settings of a profile, or beside a key
 * file. Owns which folder is meant; reads and makes nothing.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { controlError } from '../control/error.js';
import { socketPathOf } from '../control/socket-path.js';

/** The files of one agent. */
export interface AgentFiles {
  readonly keys: string;
  readonly store: string;
  readonly socket: string;
  readonly settings: string;
  /** Folder of the contracts that it knows. */
  readonly contracts: string;
  /** Name of the profile; null beside a key file. */
  readonly profile: string | null;
  /** What belongs to all profiles of a home, such as a hub; the key file's folder. */
  readonly home: string;
}

/** How an agent is named. */
export interface ProfileChoice {
  /** A key file. */
  readonly keys?: string | undefined;
  /** A profile. */
  readonly profile?: string | undefined;
}

/** What the choice depends on. */
export interface ProfileWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

const FOLDER = '.agentmesh';
const PROFILE = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/**
 * The files of the agent that is meant: `--keys` or `AGENTMESH_KEYS`, else a profile. One that is
 * named (`--profile`, `AGENTMESH_PROFILE`) is in the nearest `.agentmesh` upwards that has it; one
 * that none has, and `default` where none is named, in the nearest there is, else in that of the
 * user. BAD_OPTION.
 */
export function filesOf(choice: ProfileChoice, world: ProfileWorld): AgentFiles {
  const inherited = choice.profile === undefined ? world.env['AGENTMESH_KEYS'] : undefined;
  const keys = choice.keys ?? inherited;
  if (keys !== undefined && keys !== '') {
    const path = resolve(world.cwd, fromHome(keys));
    return filesBeside(path, dirname(path), null);
  }
  const named = choice.profile ?? world.env['AGENTMESH_PROFILE'];
  const profile = named ?? 'default';
  if (!PROFILE.test(profile)) {
    const rule = 'a profile has 1 to 64 characters of a-z 0-9 . _ -';
    throw controlError('BAD_OPTION', `'${profile}': ${rule}`);
  }
  const homes = [...homesFrom(world.cwd), userHome(world.env)];
  const owner =
    named === undefined ? undefined : homes.find((one) => existsSync(join(one, profile)));
  const home = owner ?? homes.find((one) => existsSync(one)) ?? userHome(world.env);
  return filesIn(home, profile);
}

/** The files of a profile in a home. */
function filesIn(home: string, profile: string): AgentFiles {
  return filesBeside(join(home, profile, 'agent.json'), home, profile);
}

function userHome(env: ProfileWorld['env']): string {
  return join(env['HOME'] ?? homedir(), FOLDER);
}

/** Homes from the working folder upwards. */
function homesFrom(cwd: string): string[] {
  const homes: string[] = [];
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    homes.push(join(folder, FOLDER));
    if (folder === dirname(folder)) return homes;
  }
}

function filesBeside(keys: string, home: string, profile: string | null): AgentFiles {
  const stem = keys.replace(/\.json$/, '');
  const store = `${stem}.db`;
  const socket = socketPathOf(store);
  const own = { settings: `${stem}.settings.json`, contracts: `${stem}.contracts` };
  return { keys, store, socket, ...own, profile, home };
}

function fromHome(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path;
}
