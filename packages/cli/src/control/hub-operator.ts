/**
 * The operator's side of a hub's socket: which hub is meant, and what it is asked. Owns the types
 * of its methods as far as commands print them; the methods are hub-server's.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ControlClient } from './client.js';
import { controlError } from './error.js';

/** One registered agent. */
export interface HubAgent {
  readonly name: string;
  readonly address: string;
  /** Whether agents see it in lists: it has published what they need to write to it. */
  readonly listed: boolean;
  readonly connected: boolean;
  readonly banned: boolean;
  readonly queued: number;
}

/** One queue. */
export interface HubQueue {
  readonly name: string | null;
  readonly address: string;
  readonly connected: boolean;
  readonly messages: number;
  readonly bytes: number | null;
}

/** All that is known of one agent. */
export interface HubAgentPage {
  readonly name: string | null;
  readonly address: string;
  readonly state: 'unknown' | 'registered' | 'succeeded' | 'revoked';
  readonly connected: boolean;
  readonly banned: boolean;
  readonly seenMs: number | null;
  /** When a successor took its name; null while it is its own. */
  readonly retiredMs: number | null;
  readonly published: boolean;
  readonly signedPrekey: boolean;
  readonly oneTimePrekeys: number;
  readonly queued: number;
  readonly oldestMs: number | null;
  readonly senders: readonly {
    readonly name: string | null;
    readonly address: string;
    readonly messages: number;
    readonly bytes: number;
  }[];
}

/** How the hub is doing. */
export interface HubState {
  readonly version: string;
  readonly port: number;
  readonly hubKey: string;
  readonly hubId: string;
  readonly connections: number;
  readonly agents: number;
  readonly queued: number;
  readonly queuedBytes: number;
  readonly deadLettered: number;
  readonly full: boolean;
  readonly banned: number;
}

/** Every method: what it takes, and what it gives. */
export interface HubMethods {
  status: { params: object; result: HubState };
  agents: {
    params: { readonly prefix?: string | undefined; readonly after?: string | undefined };
    result: { readonly agents: readonly HubAgent[]; readonly next: string | null };
  };
  queues: {
    params: { readonly max: number };
    result: { readonly queues: readonly HubQueue[]; readonly messages: number };
  };
  show: { params: { readonly agent: string }; result: HubAgentPage };
  kick: {
    params: { readonly agent: string };
    result: { readonly address: string; readonly kicked: boolean };
  };
  ban: {
    params: { readonly agent: string };
    result: { readonly address: string; readonly added: boolean; readonly disconnected: boolean };
  };
  unban: { params: { readonly agent: string }; result: { readonly address: string } };
  banned: {
    params: object;
    result: { readonly banned: readonly { readonly address: string; readonly note: string }[] };
  };
  free: {
    params: { readonly name: string };
    result: { readonly address: string; readonly purged: number };
  };
  purge: {
    params: { readonly agent: string };
    result: { readonly address: string; readonly purged: number };
  };
  newToken: { params: object; result: { readonly token: string; readonly file: string } };
  backup: {
    params: { readonly file: string };
    result: { readonly file: string; readonly bytes: number };
  };
}

const SOCKET = 'hub.sock';
/** Where `agentmesh-hub` keeps its data if nobody says otherwise. */
const USUAL = 'agentmesh-hub-data';
/** The hub that `agentmesh up` runs. */
const OWN = join('.agentmesh', 'hub');

/** The operator's connection to one hub. */
export class HubOperator {
  readonly #client: ControlClient;

  private constructor(client: ControlClient) {
    this.#client = client;
  }

  /** HUB_NOT_RUNNING, SOCKET_UNSAFE, or CONTROL_VERSION. */
  static async connect(folder: string): Promise<HubOperator> {
    const client = await ControlClient.connect(join(folder, SOCKET), 'agentmesh hub');
    if (client === null) throw controlError('HUB_NOT_RUNNING', folder);
    return new HubOperator(client);
  }

  async call<M extends keyof HubMethods>(
    method: M,
    params: HubMethods[M]['params'],
  ): Promise<HubMethods[M]['result']> {
    return (await this.#client.request(method, params)) as HubMethods[M]['result'];
  }

  close(): void {
    this.#client.close();
  }
}

/**
 * The data folder of the hub that is meant: the one that is named, else `agentmesh-hub-data` here,
 * else that of the hub that `agentmesh up` runs for this folder or this user.
 */
export function hubFolderOf(
  named: string | undefined,
  {
    env,
    cwd,
  }: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string },
): string {
  const given = named ?? env['AGENTMESH_DATA'];
  if (given !== undefined && given !== '') return resolve(cwd, given);
  const usual = join(cwd, USUAL);
  const own = [...upwards(cwd), env['HOME'] ?? cwd].map((folder) => join(folder, OWN));
  return [usual, ...own].find((folder) => existsSync(join(folder, SOCKET))) ?? usual;
}

function upwards(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...upwards(above)];
}
