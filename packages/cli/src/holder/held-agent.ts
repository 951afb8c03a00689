/**
 * An agent that this process holds: opened with the settings of its profile, and served. Owns the
 * order of opening and closing, and what of the hub is written into the settings.
 */
import { Agent } from '@agentmesh/agent';
import type { AgentOptions } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';
import { serveControl } from '../control/serve-control.js';
import { controlError } from '../control/error.js';
import type { AgentFiles } from '../profile/profile.js';
import { ownHubAddress } from '../profile/own-hub-address.js';
import { readOwnHub, readSettings } from '../profile/settings.js';
import type { HubSettings, Settings } from '../profile/settings.js';

/** A held agent. */
export interface HeldAgent {
  readonly agent: Agent;
  readonly settings: Settings;
  readonly hubs: readonly string[];
  /** `patient`: other programs that use it meanwhile get what they have asked for. */
  close(options?: { readonly patient?: boolean | undefined }): Promise<void>;
}

/** How it is held. */
export interface HoldOptions {
  readonly passphrase?: string | undefined;
  /** Instead of those in the file. */
  readonly settings?: Settings | undefined;
  /** Told what a person should read. Default: nobody is. */
  readonly log?: ((line: string) => void) | undefined;
  /** Called when `agentmesh up` wants to hold it. Default: it is kept. */
  readonly handOver?: (() => void) | undefined;
  /** How long a hub that is away is tried before the agent begins without it. */
  readonly connectMs?: number | undefined;
  /** Gives up an opening that is under way; the agent is closed by then. */
  readonly signal?: AbortSignal | undefined;
}

/** Opens and serves an agent. Rejects as `Agent.create` does, and with NO_AGENT. */
export async function holdAgent(files: AgentFiles, options: HoldOptions): Promise<HeldAgent> {
  const settings = options.settings ?? readSettings(files.settings);
  if (settings === null) throw controlError('NO_AGENT');
  const { name, acceptFrom } = settings;
  const { hosts, hubKey, token } = hubOf(files, settings);
  const hub = new NetworkHub({ hosts, hubKey, token, connectTimeoutMs: options.connectMs });
  const giveUp = (): void => void hub.close();
  options.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    options.signal?.throwIfAborted();
    const agent = await Agent.create(name, {
      hub,
      keypairPath: files.keys,
      passphrase: options.passphrase,
      acceptFrom,
      ...loggingTo(options.log),
    });
    const { handOver } = options;
    return await served(agent, { hub, files, settings, handOver });
  } catch (error) {
    await hub.close();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
  }
}

function loggingTo(log: HoldOptions['log']): Pick<AgentOptions, 'logger' | 'logLevel'> {
  if (log === undefined) return { logLevel: 'silent' };
  const write = (message: string, fields?: object): void =>
    log(fields === undefined ? message : `${message} ${JSON.stringify(fields)}`);
  return { logLevel: 'warn', logger: { debug: write, info: write, warn: write, error: write } };
}

/** Where the hub of an agent is, and what it is shown. BAD_SETTINGS. */
export function hubOf({ home, settings: path }: AgentFiles, { hub }: Settings): HubSettings {
  if (hub !== null) return hub;
  const own = readOwnHub(home);
  if (own === null) throw controlError('BAD_SETTINGS', `${path}: no hub, and none was started`);
  return { hosts: [ownHubAddress(own)], token: own.token };
}

async function served(
  agent: Agent,
  about: {
    readonly hub: NetworkHub;
    readonly files: AgentFiles;
    readonly settings: Settings;
    readonly handOver: HoldOptions['handOver'];
  },
): Promise<HeldAgent> {
  const { hub, files, settings, handOver } = about;
  try {
    const { addresses: hubs } = hub;
    const server = await serveControl(agent, { path: files.socket, hubs, handOver });
    return {
      agent,
      settings,
      hubs: hub.addresses,
      async close(options) {
        await server.close(options);
        await agent.close();
        await hub.close();
      },
    };
  } catch (error) {
    await agent.close();
    throw error;
  }
}
