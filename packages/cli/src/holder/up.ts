/**
 * What `agentmesh up` does: starts the hub of this user where none is given, makes the agent the
 * first time, and holds it. Owns the order, and that settings are written once they have worked.
 */
import { ControlClient } from '../control/client.js';
import { controlError } from '../control/error.js';
import { defaultName } from '../profile/default-name.js';
import type { AgentFiles } from '../profile/profile.js';
import { readSettings, writeSettings } from '../profile/settings.js';
import type { Settings, WakeSettings } from '../profile/settings.js';
import { holdAgent } from './held-agent.js';
import type { HeldAgent } from './held-agent.js';
import { startOwnHub } from './own-hub.js';

/** What was asked for; what is left out stays as it was. */
export interface UpOptions {
  readonly name?: string | undefined;
  readonly hub?: string | undefined;
  readonly hubKey?: string | undefined;
  readonly token?: string | undefined;
  readonly acceptFrom?: Settings['acceptFrom'] | undefined;
  /** What runs when mail comes; null: nothing any more. */
  readonly wake?: WakeSettings | null | undefined;
  readonly passphrase?: string | undefined;
  /** Told what a person should read. */
  readonly log?: ((line: string) => void) | undefined;
}

/** A held agent, and an invite the first time. */
export interface UpAgent extends HeldAgent {
  readonly invite: string | null;
}

/** Brings the agent up; null where another program holds it already. */
export async function bringUp(files: AgentFiles, options: UpOptions): Promise<UpAgent | null> {
  const other = await ControlClient.connect(files.socket);
  if (other !== null) {
    other.close();
    return null;
  }
  const kept = readSettings(files.settings);
  const settings = settingsOf(files, kept, options);
  const ownHub = settings.hub === null ? await startOwnHub(files.home) : null;
  try {
    const held = await heldAgent(files, settings, options);
    try {
      writeSettings(files.settings, settings);
      const invite = kept === null ? await held.agent.invite({ token: settings.hub?.token }) : null;
      const close = async (): Promise<void> => {
        await held.close();
        await ownHub?.close();
      };
      return { ...held, invite, close };
    } catch (error) {
      await held.close();
      throw error;
    }
  } catch (error) {
    await ownHub?.close();
    throw error;
  }
}

function settingsOf(
  { profile }: AgentFiles,
  kept: Settings | null,
  { name, hub, hubKey, token, acceptFrom, wake }: UpOptions,
): Settings {
  const host = hub ?? kept?.hub?.hosts ?? null;
  const hosts = typeof host === 'string' ? [host] : host;
  if (hosts === null && (hubKey ?? token) !== undefined) {
    throw controlError('BAD_OPTION', '--hub-key and --token belong to --hub');
  }
  const known = hub === undefined ? kept?.hub : null;
  return {
    name: name ?? kept?.name ?? defaultName(profile),
    hub:
      hosts === null
        ? null
        : { hosts, hubKey: hubKey ?? known?.hubKey, token: token ?? known?.token },
    acceptFrom: acceptFrom ?? kept?.acceptFrom ?? 'ask',
    wake: wake === undefined ? (kept?.wake ?? null) : wake,
  };
}

async function heldAgent(
  files: AgentFiles,
  settings: Settings,
  { passphrase, log }: UpOptions,
): Promise<HeldAgent> {
  return holdAgent(files, { settings, passphrase, log }).catch((error: unknown) => {
    if ((error as { code?: unknown }).code !== 'STORE_LOCKED') throw error;
    throw controlError('HOLDER_SILENT', files.store, error);
  });
}
